"""The four actors and the writer as one: what clients ask of them, their start and their end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Protocol, TypeVar

import trio

from actors import commands as c
from actors import messages as m
from actors.collecting import no_collection
from actors.gate import Gate
from actors.home import Home, InTrio
from actors.ingest import Ingest
from actors.loops import Actor, Loops
from actors.messages import To
from actors.observer import Callback, Carry, Listener, Observer
from actors.persister import Persister
from actors.prioritizer import Prioritizer
from actors.reply import Reply
from actors.resolver import Resolver
from actors.writer import Writer
from scheduler.domain.errors import SchedulerClosed, StoreUnavailable
from scheduler.domain.task import Status
from scheduler.domain.views import Claim

T = TypeVar("T")


class Asking(Protocol[T]):
    """A command, with the reply that its client waits for."""

    gated: ClassVar[bool]

    @property
    def reply(self) -> Reply[T]: ...


class System(InTrio):
    """See the module."""

    def __init__(
        self,
        ingest: Ingest,
        resolver: Resolver,
        prioritizer: Prioritizer,
        persister: Persister,
        writer: Writer,
        gate: Gate,
        wall: Callable[[], float],
        observer: Observer,
    ) -> None:
        self.gate = gate
        self.observer = observer
        self._ingest = ingest
        self._prioritizer = prioritizer
        self._persister = persister
        actors: dict[To, Actor] = {
            To.INGEST: ingest,
            To.RESOLVER: resolver,
            To.PRIORITIZER: prioritizer,
            To.PERSISTER: persister,
        }
        self._loops = Loops(actors, writer, observer, wall, self._time_jumped)
        self._home = Home()
        self._asked: set[Reply[Any]] = set()
        self._stopped = False

    # ------------------------------------------------------------- for clients

    async def ask(self, command: Asking[T]) -> T:
        """Send a command to ingest and wait for its answer."""
        self._home.check()
        gate = self.gate
        if not gate.open and (gate.closed or command.gated):
            await gate.passage()
        reply = command.reply
        others = bool(self._asked)  # also those that are answered and have not run since
        self._asked.add(reply)
        try:
            if self._loops.caller_is_the_last(command) and not others:
                await trio.lowlevel.checkpoint_if_cancelled()
                self._loops.handle(command)
                await trio.lowlevel.cancel_shielded_checkpoint()
            else:
                self._loops.knock(command)
            return await reply.wait()
        finally:
            self._asked.discard(reply)

    def send(self, command: Asking[Any]) -> None:
        """Let ingest have a command whose reply is awaited elsewhere, until `forget`."""
        self._asked.add(command.reply)
        self._loops.knock(command)

    def tell(self, command: Asking[Any]) -> None:
        """Let ingest have a command whose answer nobody needs."""
        self._loops.knock(command)

    def forget(self, command: Asking[Any]) -> None:
        """Nobody waits for the reply any more."""
        self._asked.discard(command.reply)

    async def give_back(self, claims: Iterable[Claim]) -> None:
        """Release claims of which nobody will hear. There is no checkpoint."""
        for claim in claims:
            self.tell(c.Release(c.Finish("release", claim.task.number, claim.token), Reply()))

    # ------------------------------------------------------------- life

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Recover what the store holds, then run the actors until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                self._loops.start(nursery)
                await self._recover()
                task_status.started()
        except Exception as error:
            self.failure = alone(error)
            raise
        finally:
            self._stopped = True
            self.gate.close(self.failure)
            for reply in list(self._asked):
                reply.refuse(_stopped(self.failure))

    async def _recover(self) -> None:
        with no_collection():
            loaded = self._persister.load(self._loops.now())
            self._ingest.ids.not_before(loaded.largest)
            recovered: Reply[None] = Reply()
            self._loops.send(To.RESOLVER, [m.Recover(loaded, recovered)])
            await recovered.wait()
            self._ingest.recurring.load(loaded.schedules)
            self._loops.send(To.INGEST, [])  # wake it: some may be due

    def _time_jumped(self, now: float) -> None:
        self._prioritizer.handle(m.ClockJumped(), now)  # it has nothing to say to that

    async def close(self) -> None:
        """Let nothing new in, answer those who wait, save everything."""
        self.gate.close()
        if self._stopped:
            return
        for to in (To.PRIORITIZER, To.PERSISTER):
            self._loops.send(to, [m.Closing()])
        while not self._stopped:
            flush = c.Flush(Reply())
            self.send(flush)
            try:
                await flush.reply.wait()
            except StoreUnavailable:
                continue  # the caller decides how long to go on
            finally:
                self.forget(flush)
            if not self._asked:
                break

    def observe(self, callback: Callback, carry: Carry | None = None) -> Listener:
        """Tell `callback` every event from now on, in the loop to which `carry` takes calls."""
        return self.observer.add(callback, carry=carry)

    @property
    def sequence(self) -> int:
        """The number of the newest change, saved or not."""
        return self._persister.records.sequence

    @property
    def location(self) -> str:
        """The absolute path of the database, or ":memory:"."""
        return self._persister.location

    def announce(self, address: str | None) -> None:
        """Tell other processes at which socket they are served."""
        self._persister.announce(address)

    @property
    def trouble(self) -> str | None:
        """Why changes cannot be saved now, if they cannot."""
        return self._persister.trouble

    @property
    def counts(self) -> dict[Status, int]:
        """How many tasks there are of each status; may be asked from any thread."""
        return dict(self._persister.records.counts)

    @property
    def unsaved(self) -> int:
        """How many changes are not saved yet."""
        return self._persister.unsaved


def _stopped(failure: BaseException | None) -> SchedulerClosed:
    error = SchedulerClosed("the scheduler has stopped; the outcome is unknown")
    error.__cause__ = failure
    return error


def alone(error: BaseException) -> BaseException:
    """The one error inside groups of one, or of the same raised by several loops."""
    while isinstance(error, BaseExceptionGroup) and len(set(map(id, error.exceptions))) == 1:
        error = error.exceptions[0]
    return error
