"""The answer that travels with a command back to the one task that waits for it.

Built on `wait_task_rescheduled` rather than an Event, because of one promise: an answer is
either delivered or known to be undelivered. Once `answer` has returned True, the waiting task
gets the value even if it is cancelled in the same tick; once the wait was cancelled, `answer`
returns False, and whoever answered can take back what nobody will ever hear of.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Reply(Generic[T]):
    """One answer, given once. Making one and answering it needs no event loop.

    `request` names a change that may be asked for once more: its answer is stored with it.
    """

    __slots__ = ("_error", "_task", "_value", "abandoned", "answered", "request")
    _value: T  # once it is answered

    def __init__(self, request: str | None = None) -> None:
        self.request = request
        self._error: BaseException | None = None
        self._task: trio.lowlevel.Task | None = None
        self.abandoned = False  # the waiting task was cancelled
        self.answered = False

    def answer(self, value: T) -> bool:
        """Give the value; False if nobody will receive it."""
        if self.abandoned or self.answered:
            return False
        self._value = value
        self._settle()
        return True

    def refuse(self, error: BaseException) -> bool:
        """Raise `error` where the answer is awaited; False if nobody will receive it."""
        if self.abandoned or self.answered:
            return False
        self._error = error
        self._settle()
        return True

    def _settle(self) -> None:
        self.answered = True
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)

    async def wait(self) -> T:
        """The value, or the error; to be called once.

        There is no checkpoint between the delivery of the answer and the return.
        """
        if not self.answered:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abandon)
            self._task = None
        if self._error is not None:
            error, self._error = self._error, None
            try:
                raise error
            finally:
                del error  # it must not hold itself alive
        return self._value

    def _abandon(self, _: object) -> trio.lowlevel.Abort:
        self.abandoned = True
        return trio.lowlevel.Abort.SUCCEEDED
