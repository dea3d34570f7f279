"""The order of ready tasks by the definitions of docs/priority.md, from all rows each time."""

from __future__ import annotations

from math import inf, log10
from typing import NamedTuple

from torture.machines.state import Row, State

SOURCES = {
    "human": 100.0,
    "agent_requirements": 75.0,
    "agent_planner": 50.0,
    "agent_implementation": 25.0,
}
RANK_CAP = 1e5
STALE = 1.001  # points by which a deadline may have raised a score since it was calculated last
EXACT = 1e-6  # points


class Known(NamedTuple):
    """What a task inherits from those that wait for it, and how many do so directly."""

    rank: float
    due: float
    base: int
    source: float
    blocking: int


def known(state: State, row: Row, seen: dict[int, Known] | None = None) -> Known:
    """By recursion over everything that waits for it; `seen` holds what is computed already."""
    seen = {} if seen is None else seen
    if row.number in seen:
        return seen[row.number]
    dependents = state.dependents(row.number)
    behind = [(known(state, other, seen), other.estimate) for other in dependents]
    seen[row.number] = Known(
        min(RANK_CAP, row.estimate + max((k.rank for k, _ in behind), default=0.0)),
        min([inf if row.deadline is None else row.deadline, *(k.due - s for k, s in behind)]),
        max([row.base, *(k.base for k, _ in behind)]),
        max([SOURCES[row.source], *(k.source for k, _ in behind)]),
        len(dependents),
    )
    return seen[row.number]


def components(facts: Known, estimate: float, now: float) -> dict[str, float]:
    """The five parts of a score, 0..100 each."""
    slack = facts.due - now - estimate
    urgency = 100.0 - 20.0 * log10(min(max(slack, 60.0), 6e6) / 60.0)
    return {
        "base": 10.0 * facts.base,
        "criticality": min(100.0, 20.0 * log10(1.0 + facts.rank)),
        "urgency": urgency,
        "blocking": min(100.0, 33.33 * log10(1.0 + facts.blocking)),
        "source": facts.source,
    }


def points(facts: Known, estimate: float, now: float) -> float:
    parts = components(facts, estimate, now)
    weights = {
        "base": 0.30,
        "criticality": 0.25,
        "urgency": 0.25,
        "blocking": 0.15,
        "source": 0.05,
    }
    return sum(weights[name] * part for name, part in parts.items())


class Standing(NamedTuple):
    """Where a ready task stands: the later it became ready, the larger its key."""

    key: float
    slack: float  # points by which the real key may be larger
    equal: tuple[object, ...]  # the same for tasks between which only their ids decide
    number: int


def standing(state: State, row: Row) -> Standing:
    assert row.ready is not None
    facts = known(state, row)
    key = row.ready / 3600.0 - points(facts, row.estimate, state.now)
    slack = 0.0 if facts.due == inf else STALE
    return Standing(key, slack, (facts, row.estimate, row.ready), row.number)


def check_first(state: State, row: Row, others: list[Row]) -> None:
    """None of the others should have been claimed in its place."""
    mine = standing(state, row)
    for other in others:
        if other is row or (state.fair and other.group != row.group):
            continue
        theirs = standing(state, other)
        better = theirs.key + theirs.slack + EXACT < mine.key
        older = theirs.equal == mine.equal and not mine.slack and other.number < row.number
        assert not better, f"{other.id} is {mine.key - theirs.key} points better than {row.id}"
        assert not older, f"{other.id} is as good as {row.id}, and older"


def ahead(state: State, row: Row) -> int | None:
    """How many ready tasks of its lane stand in front of it; None where deadlines blur that."""
    lane = [standing(state, other) for other in state.ready_in(row.lane)]
    mine = standing(state, row)
    if any(other.slack for other in lane):
        return None
    near = [o for o in lane if o.number != row.number and abs(o.key - mine.key) < EXACT]
    if any(other.equal != mine.equal for other in near):
        return None
    return sum(
        other.key < mine.key - EXACT or (other in near and other.number < row.number)
        for other in lane
    )
