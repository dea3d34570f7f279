"""The mailboxes of the actors and of the writer, and the loops that run them.

A mailbox is an unbounded trio memory channel of lists: an actor takes everything that waits at
each wake-up, handles it, and sends what its handlers returned, one list for each receiver. The
handlers are plain functions, so when one command alone is under way, one handler after the other
is called directly instead of waking its task: the same messages in the same order.

Ctrl-C does not break a handler, which would end the scheduler with all that is not saved: Trio
raises it in the program's main task, at its next checkpoint.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Protocol

import trio
from trio.lowlevel import enable_ki_protection

from actors import commands as c
from actors.clock import Clock
from actors.messages import Post, To
from actors.observer import Observer
from actors.writer import Writer

Mail = list[Any]

BRIEF = 100  # tasks, about 2 ms


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


class Loops:
    """See the module. `jumped` is called when time has jumped forwards, with the time."""

    def __init__(
        self,
        actors: Mapping[To, Actor],
        writer: Writer,
        observer: Observer,
        wall: Callable[[], float],
        jumped: Callable[[float], object],
    ) -> None:
        self._actors = actors
        self._writer = writer
        self._observer = observer
        self._jumped = jumped
        self._clock = Clock(wall, trio.lowlevel.current_clock().current_time)
        self._channels = {to: trio.open_memory_channel[Mail](inf) for to in To}
        self._door: Mail | None = None  # commands on their way to ingest, while it sleeps
        self._mail = 0  # lists that wait in mailboxes
        self._last_caller: trio.lowlevel.Task | None = None
        self._failure: BaseException | None = None  # of a handler that a caller's task ran
        self._asleep_until = dict.fromkeys(To, inf)

    def start(self, nursery: trio.Nursery) -> None:
        """Run all loops in this nursery."""
        nursery.start_soon(self._run_writer)
        for to, actor in self._actors.items():
            nursery.start_soon(self._run_actor, to, actor)

    # ------------------------------------------------------------- sending

    @enable_ki_protection
    def knock(self, command: Any) -> None:
        """Put a command into the door's list, which ingest takes whole when it wakes up."""
        if self._door is None:
            self._door = [command]
            self.send(To.INGEST, self._door)
        else:
            self._door.append(command)

    def caller_is_the_last(self, command: Any) -> bool:
        """Whether who is about to send this was the last caller too, and its command is brief.

        It is alone then if nobody waits for an answer. Others do better in a batch together: the
        first of a crowd, handled at once, would leave the rest to wait for a second commit.
        """
        last, self._last_caller = self._last_caller, trio.lowlevel.current_task()
        return self._last_caller is last and self._mail == 0 and _brief(command)

    @enable_ki_protection
    def handle(self, command: Any) -> None:
        """Handle a lone command in the task of its caller: 30 us less than by way of ingest's."""
        now = self.now()
        if self._failure is not None or min(self._asleep_until.values()) <= now:
            self.knock(command)  # what is due comes first
            return
        try:
            self._run_directly(To.INGEST, command, now)
        except BaseException as error:
            self._failure = error
            self.send(To.INGEST, [])  # which raises it where the actors run
            if not isinstance(error, Exception):
                raise

    @enable_ki_protection
    def send(self, to: To, messages: Mail) -> None:
        """Put messages into a mailbox; none at all wakes the loop."""
        if to is To.OBSERVER:
            for message in messages:
                self._observer.tell(message.events)
            return
        self._mail += 1
        self._channels[to][0].send_nowait(messages)

    def _deliver(self, posts: list[Post]) -> None:
        mail: dict[To, Mail] = {}
        for to, message in posts:
            mail.setdefault(to, []).append(message)
        for to, messages in mail.items():
            self.send(to, messages)

    def now(self) -> float:
        """The time that actors live by (Unix seconds)."""
        now = self._clock.now()
        if self._clock.jumped:
            self._clock.jumped = False
            self._jumped(now)
            for to in self._actors:
                self.send(to, [])  # wake it: Trio's clock did not jump, it would sleep too long
        return now

    # ------------------------------------------------------------- the loops

    @enable_ki_protection
    async def _run_actor(self, to: To, actor: Actor) -> None:
        inbox = self._channels[to][1]
        while True:
            messages = await self._next_mail(to, actor, inbox)
            if self._failure is not None:
                raise self._failure
            now = self.now()
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
        waiting: deque[tuple[To, Any]] = deque(((to, message),))
        while waiting:
            to, message = waiting.popleft()
            if to is To.WRITER or to is To.OBSERVER:
                self.send(to, [message])
                continue
            actor = self._actors[to]
            waiting += actor.handle(message, now)
            waiting += actor.after(now)
            if actor.due() < self._asleep_until[to]:
                self.send(to, [])  # wake its loop: there is less time to sleep than it knew

    @enable_ki_protection
    async def _run_writer(self) -> None:
        inbox = self._channels[To.WRITER][1]
        while True:
            for job in await self._receive(inbox):
                self.send(To.PERSISTER, [await self._writer.work(job)])


def _brief(message: Any) -> bool:
    """Whether handling it from door to disk in one go leaves the loop to others soon."""
    match message:
        case c.Enqueue(requests=many) | c.Complete(finishes=many):
            return len(many) <= BRIEF
        case _:
            return True
