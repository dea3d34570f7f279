"""How urgent a task is: a pure score of 0..100 from five weighted components, plus aging.

The criticality component follows list scheduling by upward rank (H. Topcuoglu, S. Hariri and
M. Wu, "Performance-effective and low-complexity task scheduling for heterogeneous computing",
2002): what heads the longest chain of open work goes first. docs/priority.md has the reasons.
"""

from __future__ import annotations

from math import inf, log10

import msgspec

from scheduler.domain.views import Components

RANK_CAP = 1e5  # seconds: criticality reaches 100 here
SLACK_FLOOR = 60.0  # seconds: urgency reaches 100 here
SLACK_CEILING = SLACK_FLOOR * 1e5  # seconds: urgency is 0 from here up
ONE_POINT = 10 ** (1 / 5)  # slack shrinking by this factor moves a default score by one point

SOURCE_SCORES: dict[str, float] = {
    "human": 100.0,
    "agent_requirements": 75.0,
    "agent_planner": 50.0,
    "agent_implementation": 25.0,
}


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What the graph says of a task; all but `blocking` are inherited from open dependents.

    `rank`: own estimate plus the longest chain of open work that waits for the task, seconds.
    `due`: the effective deadline, Unix seconds, or inf. `base`: 0..10. `source`: 0..100.
    `blocking`: how many open tasks wait for it directly.
    """

    rank: float
    due: float
    base: int
    source: float
    blocking: int


class Weights(msgspec.Struct, frozen=True):
    """How much each component counts; the first five add up to 1."""

    base: float = 0.30
    criticality: float = 0.25
    urgency: float = 0.25
    blocking: float = 0.15
    source: float = 0.05
    aging_per_hour: float = 1.0  # points for each hour since the task became ready
    fairness: float = 10.0  # points off for each start that a task's group is ahead of others


def criticality(rank: float) -> float:
    """0..100, logarithmic in the rank (seconds)."""
    return min(100.0, 20.0 * log10(1.0 + rank))


def urgency(slack: float) -> float:
    """0..100: 100 within a minute of the last possible start, 0 from 70 days before it."""
    if slack <= SLACK_FLOOR:
        return 100.0
    if slack >= SLACK_CEILING:
        return 0.0
    return 100.0 - 20.0 * log10(slack / SLACK_FLOOR)


def blocking(dependents: int) -> float:
    """0..100, logarithmic in the number of tasks that wait directly."""
    return min(100.0, 33.33 * log10(1.0 + dependents))


def components(facts: Facts, estimate: float, now: float) -> Components:
    """The five parts of a score, 0..100 each."""
    return Components(
        base=10.0 * facts.base,
        criticality=criticality(facts.rank),
        urgency=urgency(facts.due - now - estimate),
        blocking=blocking(facts.blocking),
        source=facts.source,
    )


def score(facts: Facts, estimate: float, now: float, weights: Weights) -> float:
    """The weighted sum of the components, 0..100, without aging.

    >>> round(score(Facts(60, inf, 5, 100, 0), 60, 0, Weights()), 2)
    28.93
    """
    points = weights.base * 10.0 * facts.base + weights.source * facts.source
    points += weights.criticality * min(100.0, 20.0 * log10(1.0 + facts.rank))
    if facts.due != inf:
        points += weights.urgency * urgency(facts.due - now - estimate)
    if facts.blocking:
        points += weights.blocking * blocking(facts.blocking)
    return points


def next_change(facts: Facts, estimate: float, now: float) -> float:
    """When the score has risen by about a point through the deadline alone; inf if never again."""
    slack = facts.due - now - estimate
    if facts.due == inf or slack <= SLACK_FLOOR:
        return inf
    next_slack = max(SLACK_FLOOR, min(slack / ONE_POINT, SLACK_CEILING))
    moment = facts.due - estimate - next_slack
    return moment if moment > now else inf  # so close to the floor that rounding ate the rest


def sort_key(points: float, ready_at: float, weights: Weights) -> float:
    """The place in the queue, smallest first. Aging is in it: all waiting tasks age alike."""
    return weights.aging_per_hour * ready_at / 3600.0 - points


def aging(ready_at: float, now: float, weights: Weights) -> float:
    """Points gained by waiting since `ready_at`."""
    return weights.aging_per_hour * (now - ready_at) / 3600.0
