"""Where the calls of a shared handle go: to actors of our own, or to the owner's.

Owners come and go; calls stay. A call is kept here until it is answered, and whoever becomes
the way to the actors next is asked again. A change carries a request id then, so that one that
was made already is told and not repeated.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import trio
from msgspec.structs import replace

from actors import commands as c
from actors import messages as m
from actors.reply import Reply
from actors.system import Asking, System
from scheduler.domain.errors import SchedulerClosed, SchedulerError
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.request_ids import make_request_id

T = TypeVar("T")


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


class SharedDoor:
    """See the module. Implements Door for a handle."""

    def __init__(
        self,
        random_bits: Callable[[int], int] = secrets.randbits,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.sources: dict[str, float] = dict(SOURCE_SCORES)
        self._random_bits = random_bits
        self._wall_clock = wall_clock
        self._calls: dict[Reply[Any], tuple[c.Command, float]] = {}  # with the moment of the call
        self._way: Way | None = None
        self._system: System | None = None
        self._closed = False

    # ------------------------------------------------------------- for the handle

    async def ask(self, command: Asking[T]) -> T:
        """Send a command and wait for its answer, whoever gives it."""
        if self._system is not None:
            return await self._system.ask(command)
        if self._closed:
            raise SchedulerClosed("this handle is closed", hint="Connect anew.")
        reply = command.reply
        call = cast("c.Command", command)
        if call.changing:
            reply.request = make_request_id(self._wall_clock(), self._random_bits)
        self._calls[reply] = (call, trio.current_time())
        try:
            if self._way is not None:
                self._way.send(call)
            return await reply.wait()
        finally:
            self._calls.pop(reply, None)
            if self._way is not None:
                self._way.forget(call)

    @property
    def sequence(self) -> int | None:
        """The number of the newest change, if the actors are ours."""
        return None if self._system is None else self._system.sequence

    # ------------------------------------------------------------- for whoever finds the way

    @property
    def waits(self) -> bool:
        """Whether anybody waits for an answer."""
        return bool(self._calls)

    def lead_to(self, way: Way, sources: dict[str, float], system: System | None = None) -> None:
        """From now on calls go this way; those that wait are sent along it once more."""
        self.sources.clear()
        self.sources.update(sources)
        self._way, self._system = way, system
        now = trio.current_time()
        for command, since in list(self._calls.values()):
            try:
                way.send(_shorter_by(now - since, command), again=command.changing)
            except SchedulerError as error:
                command.reply.refuse(error)

    def lead_nowhere(self) -> None:
        """The actors are gone; calls wait."""
        self._way = self._system = None

    def refuse(self, error: SchedulerError) -> None:
        """Let nobody wait any longer."""
        for reply in list(self._calls):
            reply.refuse(error)

    def close(self) -> None:
        """Refuse all calls from now on."""
        self._closed = True
        self.lead_nowhere()
        self.refuse(SchedulerClosed("this handle was closed; the outcome is unknown"))


def _shorter_by(seconds: float, command: c.Command) -> c.Command:
    """The command with less patience, if it has any: its caller has waited already."""
    match command:
        case c.ClaimReady(wait=wait):
            return replace(command, wait=max(0.0, wait - seconds))
        case c.Wait(seconds=left) | c.ReadChanges(seconds=left):
            return replace(command, seconds=max(0.0, left - seconds))
        case _:
            return command
