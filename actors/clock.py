"""The time that actors live by: Unix seconds that never run backwards."""

from __future__ import annotations

from collections.abc import Callable

JUMP = 10.0  # seconds that the wall clock may run ahead of the monotonic one between two looks


class Clock:
    """A wall clock, guarded by a monotonic one.

    A step backwards is not followed: time goes on from where it was. A step forwards, such as
    a night of the laptop's sleep, is followed, and reported by `jumped`.
    """

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._behind = 0.0  # what a backward step took away
        self._last = wall()
        self._last_monotonic = monotonic()
        self.jumped = False  # time has jumped forwards, and nobody has said so yet

    def now(self) -> float:
        """Unix seconds, at least those of the last call."""
        monotonic = self._monotonic()
        expected = self._last + monotonic - self._last_monotonic
        now = self._wall() + self._behind
        if now < self._last:
            self._behind += expected - now
            now = expected
        elif now > expected:
            made_good = min(self._behind, now - expected)  # the wall clock was set right again
            self._behind -= made_good
            now -= made_good
            self.jumped = self.jumped or now > expected + JUMP
        self._last, self._last_monotonic = now, monotonic
        return now
