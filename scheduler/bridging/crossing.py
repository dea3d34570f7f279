"""One coroutine function, run in Trio for somebody who waits in another loop or thread.

The promise of a reply holds across: a value is either heard, or known to be unheard. Who gives
up waiting says so, in the same order as calls are made, and what had been granted meanwhile is
given back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Generic, TypeVar

import outcome
import trio

from scheduler.domain.errors import SchedulerClosed

T = TypeVar("T")
GiveBack = Callable[[T], Awaitable[None]]


class Abandoned(BaseException):
    """The outcome of what was cancelled because nobody waited for it any more."""


class Crossing(Generic[T]):
    """See the module. Made where somebody waits; its methods are called in the Trio thread.

    `deliver` takes the outcome to who waits, once. `give_back` takes a value of which nobody
    will hear. `closed` makes the error for who waits when Trio has ended. The function runs in
    `nursery`, or else in a task that lasts as long as Trio does.
    """

    def __init__(
        self,
        function: Callable[[], Awaitable[T]],
        deliver: Callable[[outcome.Maybe[T]], None],
        closed: Callable[[], SchedulerClosed],
        give_back: GiveBack[T] | None = None,
        nursery: trio.Nursery | None = None,
    ) -> None:
        self._function = function
        self._deliver = deliver
        self._closed = closed
        self._give_back = give_back
        self._nursery = nursery
        self._context = copy_context()
        self._scope = trio.CancelScope()
        self._abandoned = False
        self._unheard: outcome.Value[T] | None = None

    def start(self) -> None:
        """Run the function in a task of its own."""
        try:
            if self._nursery is None:
                trio.lowlevel.spawn_system_task(self._run, context=self._context)
            else:
                self._context.run(self._nursery.start_soon, self._run)
        except RuntimeError:  # it is about to end, and takes no more tasks
            self.lose()

    def lose(self) -> None:
        """Trio has ended; may be called in any thread."""
        self._deliver(outcome.Error(self._closed()))

    def abandon(self) -> None:
        """Nobody waits any more: cancel the function, or give back what it has returned."""
        self._abandoned = True
        self._scope.cancel()
        if self._unheard is not None and self._give_back is not None:
            value, self._unheard = self._unheard.value, None
            with suppress(RuntimeError):  # Trio is about to end, and the actors have ended
                trio.lowlevel.spawn_system_task(self._give_back, value)

    async def _run(self) -> None:
        try:
            with self._scope:
                value = await self._function()
        except BaseException as error:  # who waits gets it, not Trio: that would end by it
            self._deliver(outcome.Error(self._closed() if _is_cancelled(error) else error))
            return
        if self._scope.cancelled_caught:
            self._deliver(outcome.Error(Abandoned()))
        elif self._abandoned and self._give_back is not None:
            await self._give_back(value)
        else:
            self._unheard = None if self._give_back is None else outcome.Value(value)
            self._deliver(outcome.Value(value))


def _is_cancelled(error: BaseException) -> bool:
    """Whether it is only that Trio ends: nothing else cancels the scopes around a crossing."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)


def closed(failure: BaseException | None) -> SchedulerClosed:
    """The refusal after the end of Trio, or of the actors by a failure."""
    if failure is None:
        return SchedulerClosed(
            "the scheduler is closed", hint="Open a new one; a handle ends with its block."
        )
    error = SchedulerClosed(
        f"the scheduler has ended by an error ({type(failure).__name__}); "
        "the outcome of calls under way is unknown",
        hint="Leave its block, which raises that error; then open it again.",
    )
    error.__cause__ = failure
    return error
