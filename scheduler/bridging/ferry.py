"""Carries calls into the loop of another thread: all that wait, with one wake-up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

Call = Callable[[], None]


class Ferry:
    """Calls in order, from any thread to one loop.

    `wake(function)` lets that loop call the function soon; it raises RuntimeError once the loop
    has ended, as those of Trio and of asyncio do.
    """

    def __init__(self, wake: Callable[[Call], object]) -> None:
        self._wake = wake
        self._waiting: deque[tuple[Call, Call]] = deque()
        self._knocked = False

    def carry(self, call: Call, lost: Call) -> None:
        """Have `call` called there soon, or `lost` here if that loop has ended."""
        self._waiting.append((call, lost))
        if self._knocked:
            return  # whoever knocked takes this along: the flag falls before the calls are taken
        self._knocked = True
        try:
            self._wake(self._land)
        except RuntimeError:
            self._knocked = False
            while self._waiting:
                self._take()[1]()

    def _land(self) -> None:
        self._knocked = False
        while self._waiting:
            self._take()[0]()

    def _take(self) -> tuple[Call, Call]:
        try:
            return self._waiting.popleft()
        except IndexError:  # two threads found the loop ended at the same time
            return nothing, nothing


def nothing() -> None:
    """For a call whose loss harms nobody."""
