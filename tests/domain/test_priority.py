"""The score stays in its bounds, grows with each of its facts, and announces its changes."""

from __future__ import annotations

from math import inf, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scheduler.domain.priority import (
    ONE_POINT,
    SLACK_CEILING,
    SLACK_FLOOR,
    Facts,
    Weights,
    aging,
    components,
    next_change,
    score,
    sort_key,
)

NOW = 1.8e9
WEIGHTS = Weights()

ranks = st.floats(0, 1e7)
dues = st.one_of(st.just(inf), st.floats(NOW - 1e7, NOW + 1e8))
bases = st.integers(0, 10)
sources = st.floats(0, 100)
counts = st.integers(0, 10**6)
facts = st.builds(Facts, ranks, dues, bases, sources, counts)


@given(facts, st.floats(0, 1e6))
def test_a_score_lies_between_0_and_100(known: Facts, estimate: float) -> None:
    assert 0 <= score(known, estimate, NOW, WEIGHTS) <= 100 + 1e-9
    parts = components(known, estimate, NOW)
    for part in (parts.base, parts.criticality, parts.urgency, parts.blocking, parts.source):
        assert 0 <= part <= 100


@given(facts, st.floats(0, 1e6))
def test_a_score_is_the_weighted_sum_of_its_components(known: Facts, estimate: float) -> None:
    parts = components(known, estimate, NOW)
    points = 0.30 * parts.base + 0.25 * parts.criticality + 0.25 * parts.urgency
    points += 0.15 * parts.blocking + 0.05 * parts.source
    assert isclose(score(known, estimate, NOW, WEIGHTS), points, abs_tol=1e-9)


@pytest.mark.parametrize(
    ("field", "values"),
    [("rank", ranks), ("due", dues), ("base", bases), ("source", sources), ("blocking", counts)],
)
@given(known=facts, data=st.data())
def test_a_score_never_falls_when_one_fact_rises(
    field: str, values: st.SearchStrategy[float], known: Facts, data: st.DataObject
) -> None:
    low, high = sorted([data.draw(values), data.draw(values)], reverse=field == "due")
    lower, higher = (replace(known, **{field: value}) for value in (low, high))
    assert score(lower, 60.0, NOW, WEIGHTS) <= score(higher, 60.0, NOW, WEIGHTS) + 1e-9


@pytest.mark.parametrize(
    ("better", "than"),
    [
        (Facts(1000, inf, 5, 50, 0), Facts(10, inf, 5, 50, 0)),
        (Facts(10, NOW + 600, 5, 50, 0), Facts(10, NOW + 6000, 5, 50, 0)),
        (Facts(10, inf, 6, 50, 0), Facts(10, inf, 5, 50, 0)),
        (Facts(10, inf, 5, 75, 0), Facts(10, inf, 5, 50, 0)),
        (Facts(10, inf, 5, 50, 2), Facts(10, inf, 5, 50, 1)),
    ],
    ids=Facts.__struct_fields__,
)
def test_each_fact_counts(better: Facts, than: Facts) -> None:
    assert score(better, 10.0, NOW, WEIGHTS) > score(than, 10.0, NOW, WEIGHTS)


@given(st.floats(SLACK_FLOOR * 1.001, SLACK_CEILING), st.floats(0, 1e5))
def test_at_its_next_change_a_score_has_moved_by_a_point(slack: float, estimate: float) -> None:
    known = Facts(10.0, NOW + estimate + slack, 5, 50.0, 0)
    then = next_change(known, estimate, NOW)
    assert then > NOW
    moved = score(known, estimate, then, WEIGHTS) - score(known, estimate, NOW, WEIGHTS)
    if slack > SLACK_FLOOR * ONE_POINT:
        assert 0.9 <= moved <= 1.1
    else:
        assert components(known, estimate, then).urgency > 99.99


@given(st.floats(SLACK_CEILING * 1.001, 1e9))
def test_a_far_deadline_announces_no_change_before_it_counts(slack: float) -> None:
    known = Facts(10.0, NOW + slack, 5, 50.0, 0)
    then = next_change(known, 0.0, NOW)
    assert then > NOW
    moved = score(known, 0.0, then, WEIGHTS) - score(known, 0.0, NOW, WEIGHTS)
    assert -1e-9 <= moved <= 1.1


@pytest.mark.parametrize("due", [inf, NOW + SLACK_FLOOR, NOW, NOW - 1e6])
def test_without_a_deadline_or_past_it_nothing_changes_any_more(due: float) -> None:
    assert next_change(Facts(10.0, due, 5, 50.0, 0), 0.0, NOW) == inf


@given(facts, facts, st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e7))
def test_aging_never_changes_the_order_of_two_waiting_tasks(
    one: Facts, other: Facts, ready_one: float, ready_other: float, later: float
) -> None:
    """The sort key needs no clock: score plus aging differ by the same at any time."""
    points = [score(known, 0.0, NOW, WEIGHTS) for known in (one, other)]
    ready = [NOW - ready_one, NOW - ready_other]
    keys = [sort_key(p, r, WEIGHTS) for p, r in zip(points, ready, strict=True)]
    aged = [p + aging(r, NOW + later, WEIGHTS) for p, r in zip(points, ready, strict=True)]
    assert isclose(aged[0] - aged[1], keys[1] - keys[0], abs_tol=1e-6)
