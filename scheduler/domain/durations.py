"""How long tasks of each agent_type take, learned from those that completed.

An estimate is frozen into a task when it is admitted; what is learned later serves later tasks.
"""

from __future__ import annotations

import msgspec

UNKNOWN = -1.0  # stands for an estimate that is still to be filled in
DEFAULT = 60.0  # seconds, for an agent_type of which nothing is known


class Duration(msgspec.Struct, frozen=True, gc=False):
    """The mean of `count` completed runs, seconds."""

    mean: float
    count: int


class Durations:
    """The running mean of each agent_type.

    >>> durations = Durations()
    >>> durations.estimate("builder")
    60.0
    >>> durations.learn("builder", 10.0); durations.learn("builder", 20.0)
    Duration(mean=10.0, count=1)
    Duration(mean=15.0, count=2)
    >>> durations.estimate("builder")
    15.0
    """

    def __init__(self, known: dict[str, Duration] | None = None) -> None:
        self._known = dict(known or {})

    def estimate(self, agent_type: str) -> float:
        """Seconds that a task of this type will probably take."""
        known = self._known.get(agent_type)
        return DEFAULT if known is None else known.mean

    def learn(self, agent_type: str, seconds: float) -> Duration:
        """Take in one completed run; returns what is now known."""
        old = self._known.get(agent_type, Duration(0.0, 0))
        count = old.count + 1
        new = Duration(old.mean + (max(seconds, 0.0) - old.mean) / count, count)
        self._known[agent_type] = new
        return new
