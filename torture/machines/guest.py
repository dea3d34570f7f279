"""A Trio run that shares a thread with plain code: it goes on only while `call` waits for it.

Hypothesis calls the steps of a state machine as plain functions, and a scheduler lives in one
Trio run from its opening to its close. Trio's guest mode lets both be: the run is pumped from
here, call by call. Its clock stands still but where a call lets time pass.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from math import inf
from queue import SimpleQueue
from typing import Any, TypeVar

import outcome
import trio
import trio._core._run
from trio.testing import MockClock, wait_all_tasks_blocked

T = TypeVar("T")

MOMENT = 0.001  # real seconds
_TRIO: Any = trio._core._run


class Guest:
    """See the module. Whatever a `call` starts in `nursery` lives until `end`."""

    def __init__(self, seed: int = 0) -> None:
        self.clock = MockClock()
        self.nursery: trio.Nursery
        self._turns: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._ended: outcome.Outcome[None] | None = None
        self._token: trio.lowlevel.TrioToken
        self._jobs: trio.MemorySendChannel[Callable[[], Awaitable[None]]]
        _TRIO._ALLOW_DETERMINISTIC_SCHEDULING = True
        self._shuffling: random.Random = _TRIO._r
        self._before = self._shuffling.getstate()
        self._shuffling.seed(seed)
        self._asleep: tuple[Callable[[], Any], Callable[[Any], object]] | None = None
        self._in_thread, _TRIO.start_thread_soon = _TRIO.start_thread_soon, self._fall_asleep
        trio.lowlevel.start_guest_run(
            self._main,
            run_sync_soon_threadsafe=self._turns.put,
            done_callback=self._note_end,
            host_uses_signal_set_wakeup_fd=True,
            clock=self.clock,
        )
        self.call(trio.lowlevel.checkpoint)

    async def _main(self) -> None:
        self._jobs, jobs = trio.open_memory_channel[Callable[[], Awaitable[None]]](inf)
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as self.nursery:
            async for job in jobs:
                await job()
            self.clock.autojump_threshold = 0  # what cannot end by itself runs into its timeout
            self.nursery.cancel_scope.cancel()

    def _note_end(self, how: outcome.Outcome[None]) -> None:
        self._ended = how

    def _fall_asleep(self, wait: Callable[[], Any], wake: Callable[[Any], object]) -> None:
        """In the place of the thread in which a guest waits: it sleeps until it is called."""
        self._asleep = (wait, wake)

    def _turn(self) -> None:
        """Let the run go on; it must have something to do."""
        if self._turns.empty() and self._asleep is not None:
            (wait, wake), self._asleep = self._asleep, None
            wake(outcome.capture(wait))
        self._turns.get()()

    def call(self, work: Callable[[], Awaitable[T]], *, sleeps: bool = False) -> T:
        """Run a coroutine function inside, and what it set off until nothing moves any more.

        If nothing moves and it has not returned, it never will: AssertionError, unless it sleeps.
        """
        heard: list[outcome.Outcome[T]] = []

        watching = trio.CancelScope()

        async def watch() -> None:
            with watching:
                await wait_all_tasks_blocked(MOMENT)
                heard.append(outcome.Error(AssertionError("the call is never answered")))

        async def job() -> None:
            if not sleeps:
                self.nursery.start_soon(watch)
            answer = await outcome.acapture(work)
            await wait_all_tasks_blocked()
            watching.cancel()
            heard.append(answer)

        while not hasattr(self, "_token"):
            self._turn()
        self._token.run_sync_soon(self._jobs.send_nowait, job)
        while not heard:
            if self._ended is not None:
                self._ended.unwrap()
                raise RuntimeError("the Trio run has ended")
            self._turn()
        return heard[0].unwrap()

    def let_pass(self, seconds: float) -> None:
        """Let time go by; what is due on the way happens at its moment."""

        async def sleep() -> None:
            self.clock.autojump_threshold = 0
            try:
                await trio.sleep(seconds)
            finally:
                self.clock.autojump_threshold = inf

        self.call(sleep, sleeps=True)

    def end(self) -> None:
        """Cancel what is left, and let the run come to its end."""
        if self._ended is None:
            self._token.run_sync_soon(self._jobs.close)
        while self._ended is None:
            self._turn()
        _TRIO.start_thread_soon = self._in_thread
        self._shuffling.setstate(self._before)
        self._ended.unwrap()
