"""Where the calls of a shared handle go: to actors of our own, or to the owner's.

Owners come and go; calls stay. A call is kept here until it is answered, and whoever becomes
the way to the actors next is asked again. A change carries a request id then, so that one that
was made already is told and not repeated.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

import trio
from msgspec.structs import replace

from actors import commands as c
from actors import messages as m
from actors.home import Home, InTrio
from actors.observer import Callback, Carry, Listener
from actors.reply import Reply
from actors.system import Asking, System
from scheduler.domain.errors import (
    SchedulerClosed,
    SchedulerError,
    StoreUnavailable,
    WrongContext,
    from_dict,
)
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.request_ids import make_request_id
from scheduler.domain.views import Claim

T = TypeVar("T")

MOST_OWNERS = 5  # that get a call, one after the other: it may be what they die of


class Way(Protocol):
    """How calls reach the actors."""

    def send(self, command: c.Command, *, again: bool = False) -> None: ...

    def forget(self, command: c.Command) -> None: ...


class OwnWay:
    """To actors in this process, for calls that were made while another one had them."""

    def __init__(self, system: System) -> None:
        self._system = system

    def send(self, command: c.Command, *, again: bool = False) -> None:
        asked: Any = m.Again(command, command.reply) if again else command
        self._system.send(asked)

    def forget(self, command: c.Command) -> None:
        self._system.forget(command)


@dataclass(slots=True)
class Call:
    """A command that is not answered yet."""

    command: c.Command
    since: float  # on Trio's clock
    sent: int = 0  # to so many owners


class SharedDoor(InTrio):
    """See the module. Implements Door for a handle."""

    def __init__(
        self,
        random_bits: Callable[[int], int] = secrets.randbits,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.sources: dict[str, float] = dict(SOURCE_SCORES)
        self._home = Home()
        self._random_bits = random_bits
        self._wall_clock = wall_clock
        self._calls: dict[Reply[Any], Call] = {}
        self._given_up: list[c.Command] = []  # claims that may have been granted all the same
        self._way: Way | None = None
        self._system: System | None = None
        self._closed = False

    # ------------------------------------------------------------- for the handle

    async def ask(self, command: Asking[T]) -> T:
        """Send a command and wait for its answer, whoever gives it."""
        if self._system is not None:
            return await self._system.ask(command)
        self._home.check()
        if self._closed:
            raise SchedulerClosed("this handle is closed", hint="Connect anew.") from self.failure
        reply = command.reply
        call = Call(cast("c.Command", command), trio.current_time())
        if call.command.changing:
            reply.request = make_request_id(self._wall_clock(), self._random_bits)
        self._calls[reply] = call
        try:
            if self._way is not None:
                self._way.send(call.command)
                call.sent = 1
            return await reply.wait()
        finally:
            self._calls.pop(reply, None)
            if self._way is not None:
                self._way.forget(call.command)
            elif call.sent and reply.abandoned:
                self.give_up(call.command)

    @property
    def sequence(self) -> int | None:
        """The number of the newest change, if the actors are ours."""
        return None if self._system is None else self._system.sequence

    def observe(self, callback: Callback, carry: Carry | None = None) -> Listener:
        """Tell `callback` every event, while the actors are ours."""
        if self._system is None:
            raise WrongContext(
                "events are told in the process that runs the actors of the file only",
                field="callback",
                allowed="the process that owns the file",
                hint="Follow `changes()`: it works in every process. Or listen in the owner.",
            )
        return self._system.observe(callback, carry)

    async def give_back(self, claims: Iterable[Claim]) -> None:
        """Release claims of which nobody will hear, whatever becomes of this caller."""
        if self._system is not None:
            await self._system.give_back(claims)
            return
        with trio.CancelScope(shield=True):  # ends with the handle at the latest
            for claim in claims:
                finish = c.Finish("release", claim.task.number, claim.token)
                with suppress(SchedulerError):  # its lease ends by itself then
                    await self.ask(c.Release(finish, Reply()))

    # ------------------------------------------------------------- for whoever finds the way

    @property
    def waits(self) -> bool:
        """Whether anybody waits for an answer."""
        return bool(self._calls)

    def give_up(self, command: c.Command) -> None:
        """Nobody waits for this claim, which an owner that is gone may have granted."""
        if isinstance(command, c.ClaimReady):
            self._given_up.append(replace(command, wait=0.0))

    def lead_to(self, way: Way, sources: Mapping[str, float], system: System | None = None) -> None:
        """From now on calls go this way; those that wait are sent along it once more."""
        self.sources.clear()
        self.sources.update(sources)
        self._way, self._system = way, system
        for command in self._given_up:
            way.send(command, again=True)
            way.forget(command)  # so that what it was granted is taken back
        self._given_up.clear()
        for call in list(self._calls.values()):
            self._send_again(call, way)

    def _send_again(self, call: Call, way: Way) -> None:
        reply = call.command.reply
        if call.sent >= MOST_OWNERS:
            reply.refuse(_deadly())
            return
        waited = trio.current_time() - call.since
        try:
            way.send(_shorter_by(waited, call.command), again=call.command.changing)
        except (SchedulerError, ValueError) as error:
            reply.refuse(error)
        call.sent += 1

    def lead_nowhere(self) -> None:
        """The actors are gone; calls wait."""
        self._way = self._system = None

    def refuse(self, error: SchedulerError) -> None:
        """Let nobody wait any longer."""
        for reply, call in list(self._calls.items()):
            in_doubt = call.sent and call.command.changing
            reply.refuse(_unknown(error) if in_doubt else from_dict(error.as_dict()))

    def close(self) -> None:
        """Refuse all calls from now on."""
        self._closed = True
        self.lead_nowhere()
        self.refuse(SchedulerClosed("this handle was closed; the outcome is unknown"))


def _unknown(error: SchedulerError) -> StoreUnavailable:
    return StoreUnavailable(
        f"{error.message}; what this call was to change may have been changed before",
        outcome="unknown",
        field=error.field,
        received=error.received,
        hint="Look it up before you repeat the call, or repeat it with the same key. "
        + (error.hint or ""),
    )


def _deadly() -> StoreUnavailable:
    return StoreUnavailable(
        f"{MOST_OWNERS} processes that owned the database ended while they had this call",
        outcome="unknown",
        hint="Read their logs; look up what this call was to change before you repeat it.",
    )


def _shorter_by(seconds: float, command: c.Command) -> c.Command:
    """The command with less patience, if it has any: its caller has waited already."""
    match command:
        case c.ClaimReady(wait=wait) | c.AwaitRevoked(wait=wait):
            return replace(command, wait=max(0.0, wait - seconds))
        case c.Wait(seconds=left) | c.ReadChanges(seconds=left):
            return replace(command, seconds=max(0.0, left - seconds))
        case _:
            return command
