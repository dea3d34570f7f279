"""The gate in front of ingest: enqueue and claim wait here while too much is unsaved.

Everything else always passes, because it lets work finish. The channels behind the gate are
unbounded on purpose: a bounded one would also block the facts that flow back, and two actors
that wait for each other's room never wake. Pressure is measured where it gathers, at the
persister, and relieved here.
"""

from __future__ import annotations

import trio

from scheduler.domain.errors import Overloaded, SchedulerClosed


class Gate:
    """Shut at `high` unsaved changes, open again at half of it."""

    def __init__(self, high: int, admission_timeout: float | None = None) -> None:
        self._high = high
        self._timeout = admission_timeout
        self._shut = False
        self._opening = trio.Event()  # of the last time it was shut
        self._failure: BaseException | None = None
        self.open = True  # everybody may pass at once
        self.closed = False

    def over(self, unsaved: int) -> bool:
        """Whether so many unsaved changes are too many."""
        return unsaved > self._high

    def level(self, unsaved: int, *, store_is_down: bool = False) -> None:
        """Tell how many changes are unsaved now."""
        if self._shut:
            if unsaved <= self._high // 2 and not store_is_down:
                self._shut, self.open = False, True
                self._opening.set()
        elif (unsaved > self._high or store_is_down) and not self.closed:
            self._shut, self.open = True, False
            self._opening = trio.Event()

    def close(self, failure: BaseException | None = None) -> None:
        """Let nobody in any more; a failure is told as the cause."""
        self.closed, self._shut, self.open = True, False, False
        self._failure = self._failure or failure
        self._opening.set()

    def _refuse_if_closed(self) -> None:
        if self.closed:
            raise SchedulerClosed(
                "the scheduler is closed", hint="Open a new one with open_scheduler."
            ) from self._failure

    async def passage(self) -> None:
        """Return when the gate is not shut; Overloaded after the admission timeout, if any.

        Raises SchedulerClosed once the gate is closed.
        """
        self._refuse_if_closed()
        if self._shut:
            seconds = float("inf") if self._timeout is None else self._timeout
            with trio.move_on_after(seconds) as scope:
                while self._shut:
                    await self._opening.wait()
            if scope.cancelled_caught:
                raise Overloaded(
                    f"too many changes wait to be saved; none was let in for {seconds:g} s",
                    retry_after=1.0,
                    hint="Try again later, with the same key.",
                )
            self._refuse_if_closed()
