"""The four actors and the writer, their mailboxes, and the loops that run them.

A mailbox is an unbounded trio memory channel of lists: an actor takes everything that waits at
each wake-up, handles it, and sends what its handlers returned, one list for each receiver. The
handlers are plain functions, so when one command alone is under way, the loop of ingest calls
the next handler directly instead of waking its task: the same messages in the same order.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterable
from math import inf
from typing import Any, ClassVar, Protocol, TypeVar, cast

import trio

from actors import commands as c
from actors import messages as m
from actors.clock import Clock
from actors.gate import Gate
from actors.home import Home, InTrio
from actors.ingest import Ingest
from actors.messages import Post, To
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
Mail = list[Any]

BRIEF = 100  # tasks, about 2 ms


class Asking(Protocol[T]):
    """A command, with the reply that its client waits for."""

    gated: ClassVar[bool]

    @property
    def reply(self) -> Reply[T]: ...


class Actor(Protocol):
    """What a loop needs to know of an actor."""

    def handle(self, message: Any, now: float) -> list[Post]:
        """Take one message; change state; return what to send."""
        ...

    def after(self, now: float) -> list[Post]:
        """Called when a mailbox is drained, and at `due`."""
        ...

    def due(self) -> float:
        """When `after` must be called even if no message comes; inf: never."""
        ...


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
        self._writer = writer
        self._actors: dict[To, Actor] = {
            To.INGEST: ingest,
            To.RESOLVER: resolver,
            To.PRIORITIZER: prioritizer,
            To.PERSISTER: persister,
        }
        self._home = Home()
        self._clock = Clock(wall, trio.current_time)
        self._channels = {to: trio.open_memory_channel[Mail](inf) for to in To}
        self._door: Mail | None = None  # commands on their way to ingest, while it sleeps
        self._mail = 0  # lists that wait in mailboxes
        self._asleep_until = dict.fromkeys(To, inf)
        self._asked: set[Reply[Any]] = set()
        self._stopped = False

    # ------------------------------------------------------------- for clients

    async def ask(self, command: Asking[T]) -> T:
        """Send a command to ingest and wait for its answer."""
        self._home.check()
        self.gate.check()
        if self.gate.shut and command.gated:
            await self.gate.passage()
        return await self._ask(command)

    async def _ask(self, command: Asking[T]) -> T:
        self.send(command)
        try:
            return await command.reply.wait()
        finally:
            self.forget(command)

    def send(self, command: Asking[Any]) -> None:
        """Let ingest have a command whose reply is awaited elsewhere, until `forget`."""
        self._asked.add(command.reply)
        self._knock(command)

    def tell(self, command: Asking[Any]) -> None:
        """Let ingest have a command whose answer nobody needs."""
        self._knock(command)

    def forget(self, command: Asking[Any]) -> None:
        """Nobody waits for the reply any more."""
        self._asked.discard(command.reply)

    async def give_back(self, claims: Iterable[Claim]) -> None:
        """Release claims of which nobody will hear. There is no checkpoint."""
        for claim in claims:
            self.tell(c.Release(c.Finish("release", claim.task.number, claim.token), Reply()))

    def _knock(self, command: Any) -> None:
        """Put a command into the door's list, which ingest takes whole when it wakes up."""
        if self._door is None:
            self._door = [command]
            self._send(To.INGEST, self._door)
        else:
            self._door.append(command)

    # ------------------------------------------------------------- life

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Recover what the store holds, then run the actors until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._run_writer)
                for to, actor in self._actors.items():
                    nursery.start_soon(self._run_actor, to, actor)
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
        collecting = gc.isenabled()
        gc.disable()  # nothing of what is loaded is garbage: looking for it costs a fifth
        try:
            loaded = self._persister.load(self._now())
            self._ingest.ids.not_before(loaded.largest)
            recovered: Reply[None] = Reply()
            self._send(To.RESOLVER, [m.Recover(loaded, recovered)])
            await recovered.wait()
        finally:
            if collecting:
                gc.enable()

    async def close(self) -> None:
        """Let nothing new in, answer those who wait, save everything."""
        self.gate.close()
        if self._stopped:
            return
        for to in (To.PRIORITIZER, To.PERSISTER):
            self._send(to, [m.Closing()])
        while not self._stopped:
            try:
                await self._ask(c.Flush(Reply()))
            except StoreUnavailable:
                continue  # the caller decides how long to go on
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

    # ------------------------------------------------------------- loops

    async def _run_actor(self, to: To, actor: Actor) -> None:
        inbox = self._channels[to][1]
        while True:
            messages = await self._next_mail(to, actor, inbox)
            now = self._now()
            if to is To.INGEST and self._mail == 0 and len(messages) == 1 and _brief(messages[0]):
                self._run_directly(to, messages[0], now)
                continue
            posts = [post for message in messages for post in actor.handle(message, now)]
            posts += actor.after(now)
            self._deliver(posts)

    async def _next_mail(
        self, to: To, actor: Actor, inbox: trio.MemoryReceiveChannel[Mail]
    ) -> Mail:
        """Everything that waits; an empty list when the actor's moment has come."""
        due = actor.due()
        self._asleep_until[to] = due
        if due == inf:
            messages = await self._receive(inbox)
        else:
            messages = []
            with trio.move_on_after(max(0.0, due - self._clock.now())):
                messages = await self._receive(inbox)
        self._asleep_until[to] = -inf
        if to is To.INGEST:
            self._door = None
        try:
            while True:
                messages = messages + inbox.receive_nowait()
                self._mail -= 1
        except trio.WouldBlock:
            return messages

    async def _receive(self, inbox: trio.MemoryReceiveChannel[Mail]) -> Mail:
        messages = await inbox.receive()
        self._mail -= 1
        return messages

    def _run_directly(self, to: To, message: Any, now: float) -> None:
        """One command alone: handler after handler, in the order in which mail would arrive."""
        waiting: deque[Post] = deque([cast("Post", (to, message))])
        while waiting:
            to, message = waiting.popleft()
            if to is To.WRITER or to is To.OBSERVER:
                self._send(to, [message])
                continue
            actor = self._actors[to]
            waiting += actor.handle(message, now)
            waiting += actor.after(now)
            if actor.due() < self._asleep_until[to]:
                self._send(to, [])  # wake its loop: there is less time to sleep than it knew

    async def _run_writer(self) -> None:
        inbox = self._channels[To.WRITER][1]
        while True:
            for job in await self._receive(inbox):
                self._send(To.PERSISTER, [await self._writer.work(job)])

    def _deliver(self, posts: list[Post]) -> None:
        mail: dict[To, Mail] = {}
        for to, message in posts:
            mail.setdefault(to, []).append(message)
        for to, messages in mail.items():
            self._send(to, messages)

    def _send(self, to: To, messages: Mail) -> None:
        if to is To.OBSERVER:
            for message in messages:
                self.observer.tell(message.events)
            return
        self._mail += 1
        self._channels[to][0].send_nowait(messages)

    def _now(self) -> float:
        now = self._clock.now()
        if self._clock.jumped():
            self._prioritizer.handle(m.ClockJumped(), now)  # it has nothing to say to that
        return now


def _stopped(failure: BaseException | None) -> SchedulerClosed:
    error = SchedulerClosed("the scheduler has stopped; the outcome is unknown")
    error.__cause__ = failure
    return error


def _brief(message: Any) -> bool:
    """Whether handling it from door to disk in one go leaves the loop to others soon."""
    match message:
        case c.Enqueue(requests=many) | c.Complete(finishes=many):
            return len(many) <= BRIEF
        case _:
            return True


def alone(error: BaseException) -> BaseException:
    """The one error inside groups of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
