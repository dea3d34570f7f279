"""Where the calls of a blocking handle go: to actors in the Trio loop of another thread."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

import outcome
import trio

from actors.commands import ClaimReady
from actors.home import forked
from actors.system import Asking
from scheduler.bridging.crossing import Abandoned, Crossing, GiveBack, closed
from scheduler.bridging.ferry import Ferry, nothing
from scheduler.domain.errors import SchedulerClosed, WrongContext
from scheduler.handle import Door

T = TypeVar("T")


class ThreadDoor:
    """The way from any thread to the actors behind `door`, in the Trio loop of `token`.

    Its coroutines block the thread and never suspend. KeyboardInterrupt, or whatever else a
    signal handler raises, cancels the call that waits. `failure` is what ended the Trio loop,
    if something did.
    """

    def __init__(self, door: Door, token: trio.lowlevel.TrioToken) -> None:
        self.trio_door: Door = door.trio_door
        self.failure: BaseException | None = None
        self._token = token
        self._process = os.getpid()
        self._over = Ferry(token.run_sync_soon)

    @property
    def sequence(self) -> int | None:
        """The number of the newest change; None where only the actors know it."""
        return self.trio_door.sequence

    async def ask(self, command: Asking[T]) -> T:
        """Send a command and wait for its answer. A claim that is left goes back at once."""
        claims: object = command  # whose answer would be missed
        give_back: Any = self.trio_door.give_back if isinstance(claims, ClaimReady) else None
        crossing, told = self._prepare(partial(self.trio_door.ask, command), give_back)
        try:
            self._over.carry(crossing.start, crossing.lose)
            result: outcome.Maybe[T] = told.get()
        except BaseException:
            self._over.carry(crossing.abandon, nothing)
            raise
        return result.unwrap()

    async def give_back(self, claims: Any) -> None:
        """Release what was claimed for a caller that has gone."""
        await self.run_in_trio(partial(self.trio_door.give_back, claims))

    async def run_in_trio(self, function: Callable[[], Awaitable[T]]) -> T:
        """Await a Trio coroutine function in the loop of the actors.

        An interrupt cancels the function and is raised when it has ended; the second one at once.
        """
        crossing, told = self._prepare(function, None)
        try:
            self._over.carry(crossing.start, crossing.lose)
            result = told.get()
        except BaseException:
            self._over.carry(crossing.abandon, nothing)
            ended = told.get()
            if isinstance(ended, outcome.Error) and not isinstance(ended.error, Abandoned):
                ended.unwrap()
            raise
        return result.unwrap()

    def _prepare(
        self, function: Callable[[], Awaitable[T]], give_back: GiveBack[T] | None
    ) -> tuple[Crossing[T], SimpleQueue[outcome.Maybe[T]]]:
        self._check()
        told: SimpleQueue[outcome.Maybe[T]] = SimpleQueue()
        return Crossing(function, told.put, self._closed, give_back), told

    def _closed(self) -> SchedulerClosed:
        return closed(self.failure)

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
