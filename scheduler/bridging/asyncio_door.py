"""Where the calls of a handle in an asyncio program go: to actors in a Trio loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import outcome
import trio

from actors.home import forked
from actors.observer import Callback, Carry, Listener
from actors.system import Asking
from scheduler.bridging.crossing import Abandoned, Crossing, GiveBack
from scheduler.bridging.ferry import Ferry, nothing
from scheduler.bridging.outside import Outside
from scheduler.domain.errors import WrongContext
from scheduler.handle import Door

T = TypeVar("T")


class AsyncioDoor(Outside):
    """The way from tasks of `loop` to the actors behind `door`, in the Trio loop of `token`.

    That loop may run in another thread, or in the same one under trio-asyncio. Cancelling a
    task that waits cancels its call; exceptions come across as they are. What `run_in_trio` runs
    ends with `nursery`, if there is one.
    """

    def __init__(
        self,
        door: Door,
        token: trio.lowlevel.TrioToken,
        loop: asyncio.AbstractEventLoop,
        nursery: trio.Nursery | None = None,
    ) -> None:
        super().__init__(door, token, nursery)
        self._loop = loop
        self._back = Ferry(loop.call_soon_threadsafe)

    async def ask(self, command: Asking[T]) -> T:
        """Send a command and wait for its answer. A claim that is left goes back at once."""
        ask = partial(self.trio_door.ask, command)
        crossing, told = self._start(ask, self._giving_back(command))
        try:
            result: outcome.Maybe[T] = await told
        except BaseException:
            self._over.carry(crossing.abandon, nothing)
            raise
        return result.unwrap()

    def observe(self, callback: Callback, carry: Carry | None = None) -> Listener:
        """Tell `callback` every event from now on, in the asyncio loop unless `carry` is given."""
        return self.trio_door.observe(callback, carry or partial(self._back.carry, lost=nothing))

    async def run_in_trio(self, function: Callable[[], Awaitable[T]]) -> T:
        """Await a Trio coroutine function in the loop of the actors.

        When the task is cancelled, the function is cancelled and has ended before this returns.
        """
        crossing, told = self._start(function, nursery=self._nursery)
        left = await wait_out(told, partial(self._over.carry, crossing.abandon, nothing))
        result = told.result()
        if left is not None and (
            isinstance(result, outcome.Value) or isinstance(result.error, Abandoned)
        ):
            raise left
        return result.unwrap()

    def _start(
        self,
        function: Callable[[], Awaitable[T]],
        give_back: GiveBack[T] | None = None,
        nursery: trio.Nursery | None = None,
    ) -> tuple[Crossing[T], asyncio.Future[outcome.Maybe[T]]]:
        self._check()
        told: asyncio.Future[outcome.Maybe[T]] = self._loop.create_future()

        def deliver(result: outcome.Maybe[T]) -> None:
            self._back.carry(partial(_settle, told, result), crossing.abandon)

        crossing = Crossing(function, deliver, self._closed, give_back, nursery)
        self._over.carry(crossing.start, crossing.lose)
        return crossing, told

    def _check(self) -> None:
        if asyncio._get_running_loop() is not self._loop or os.getpid() != self._process:
            raise self._refusal()

    def _refusal(self) -> WrongContext:
        if os.getpid() != self._process:
            return forked()
        if asyncio._get_running_loop() is not None:
            return WrongContext(
                "a handle is used in another asyncio loop than the one in which it was opened",
                hint="Open it in the loop that uses it, and use `connect` if several loops or "
                "threads share the file; or hand the call over with "
                "`asyncio.run_coroutine_threadsafe`.",
            )
        return WrongContext(
            "a handle for asyncio tasks is used outside its asyncio loop",
            hint="In a Trio program use `from scheduler import open_scheduler`; in a thread "
            "`from scheduler.threads import open_scheduler`, or "
            "`asyncio.run_coroutine_threadsafe`.",
        )


async def wait_out(
    future: asyncio.Future[Any], leave: Callable[[], None]
) -> asyncio.CancelledError | None:
    """Wait until it is done, whatever happens; each cancellation calls `leave`.

    Returns the last cancellation, which the caller is to raise. Does not cancel the future.
    """
    left: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            left = error
            leave()
        except BaseException:
            leave()
            raise
    return left


def _settle(told: asyncio.Future[outcome.Maybe[T]], result: outcome.Maybe[T]) -> None:
    if not told.done():  # its task was cancelled, and says so to the other side
        told.set_result(result)
