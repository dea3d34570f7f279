"""Where the calls of a blocking handle go: to actors in the Trio loop of another thread."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Generic, TypeVar

import outcome
import trio

from actors.home import forked
from actors.observer import Callback, Carry, Listener
from actors.system import Asking
from scheduler.bridging.crossing import Abandoned, Crossing
from scheduler.bridging.ferry import nothing
from scheduler.bridging.outside import Outside
from scheduler.domain.errors import WrongContext
from scheduler.handle import Door

T = TypeVar("T")


class ThreadDoor(Outside):
    """The way from any thread to the actors behind `door`, in the Trio loop of `token`.

    Its coroutines block the thread and never suspend. KeyboardInterrupt, or whatever else a
    signal handler raises, cancels the call that waits. What `run_in_trio` runs ends with `nursery`,
    if there is one.
    """

    def __init__(
        self, door: Door, token: trio.lowlevel.TrioToken, nursery: trio.Nursery | None = None
    ) -> None:
        super().__init__(door, token, nursery)

    async def ask(self, command: Asking[T]) -> T:
        """Send a command and wait for its answer. A claim that is left goes back at once."""
        self._check()
        told: SimpleQueue[outcome.Maybe[T]] = SimpleQueue()
        ask = partial(self.trio_door.ask, command)
        crossing = Crossing(ask, told.put, self._closed, self._giving_back(command))
        try:
            self._over.carry(crossing.start, crossing.lose)
            result = told.get()
        except BaseException:
            self._over.carry(crossing.abandon, nothing)
            raise
        return result.unwrap()

    def observe(self, callback: Callback, carry: Carry | None = None) -> Listener:
        """Tell `callback` every event from now on, in the thread of the actors."""
        return self.trio_door.observe(callback, carry)

    async def run_in_trio(self, function: Callable[[], Awaitable[T]]) -> T:
        """Await a Trio coroutine function in the loop of the actors.

        An interrupt cancels the function and is raised when it has ended; the second one at once.
        """
        running = self.begin(function)
        try:
            return running.result()
        except BaseException:
            running.end()
            raise

    def begin(self, function: Callable[[], Awaitable[T]]) -> Running[T]:
        """Let a Trio coroutine function run in the loop of the actors; does not wait for it."""
        self._check()
        told: Future[outcome.Maybe[T]] = Future()
        crossing = Crossing(function, told.set_result, self._closed, nursery=self._nursery)
        self._over.carry(crossing.start, crossing.lose)
        return Running(told, partial(self._over.carry, crossing.abandon, nothing))

    def _check(self) -> None:
        if os.getpid() != self._process:
            raise forked()
        inside = trio.lowlevel.in_trio_run()
        if inside and trio.lowlevel.current_trio_token() is self._token:
            raise WrongContext(
                "a blocking handle is used in the Trio loop that would have to answer it",
                hint="Use the Trio handle in Trio tasks; call blocking code with "
                "`trio.to_thread.run_sync`.",
            )


class Running(Generic[T]):
    """What a thread began in Trio, and is to end."""

    def __init__(self, told: Future[outcome.Maybe[T]], abandon: Callable[[], None]) -> None:
        self._told = told
        self._abandon = abandon

    def result(self) -> T:
        """Wait until it has ended by itself: its value or its error."""
        return _value_of(self._told.result())

    def end(self) -> None:
        """Cancel it unless it has ended, and wait until then. Raises its error, if it had one."""
        self._abandon()
        result = self._told.result()
        if isinstance(result, outcome.Error) and not isinstance(result.error, Abandoned):
            raise result.error


def _value_of(result: outcome.Maybe[T]) -> T:
    if isinstance(result, outcome.Error):
        raise result.error  # `unwrap` can be called but once
    return result.value
