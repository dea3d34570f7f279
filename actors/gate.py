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
        self._open = trio.Event()
        self._open.set()
        self._closed = False
        self._failure: BaseException | None = None

    def over(self, unsaved: int) -> bool:
        """Whether so many unsaved changes are too many."""
        return unsaved > self._high

    @property
    def shut(self) -> bool:
        """Whether `passage` would wait."""
        return not self._open.is_set()

    def level(self, unsaved: int, *, store_is_down: bool = False) -> None:
        """Tell how many changes are unsaved now."""
        if self._open.is_set():
            if self.over(unsaved) or store_is_down:
                self._open = trio.Event()
        elif unsaved <= self._high // 2 and not store_is_down:
            self._open.set()

    def close(self, failure: BaseException | None = None) -> None:
        """Let nobody in any more; a failure is told as the cause."""
        self._closed = True
        self._failure = self._failure or failure
        self._open.set()

    def check(self) -> None:
        """Raise SchedulerClosed once the gate is closed."""
        if self._closed:
            raise SchedulerClosed(
                "the scheduler is closed", hint="Open a new one with open_scheduler."
            ) from self._failure

    async def passage(self) -> None:
        """Return when the gate is open; Overloaded after the admission timeout, if there is one."""
        if self.shut:
            seconds = float("inf") if self._timeout is None else self._timeout
            with trio.move_on_after(seconds) as scope:
                while self.shut:
                    await self._open.wait()
            if scope.cancelled_caught:
                raise Overloaded(
                    f"too many changes wait to be saved; none was let in for {seconds:g} s",
                    retry_after=1.0,
                    hint="Try again later, with the same key.",
                )
        self.check()
