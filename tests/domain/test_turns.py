"""Groups share starts, and what is urgent still goes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.domain.ready_queue import ReadyQueue

POINTS = 10.0
A, B = ("general", "a", None), ("general", "b", None)


def fair(weights: dict[str | None, float] | None = None) -> ReadyQueue:
    known = weights or {}
    return ReadyQueue(POINTS, lambda group: known.get(group, 1.0))


def starts(queue: ReadyQueue, count: int, names: Callable[[int], str]) -> str:
    return "".join(names(number) for _ in range(count) if (number := queue.pop()) is not None)


def by_hundreds(number: int) -> str:
    return "abc"[number // 100_000]


def test_a_group_of_three_starts_at_once_beside_one_of_ten_thousand() -> None:
    """However long the other one has been at work, and then they take turns."""
    queue = fair()
    queue.add_many(A, [(0.0, number) for number in range(10_000)])
    assert starts(queue, 500, by_hundreds) == "a" * 500
    queue.add_many(B, [(0.0, number) for number in range(100_000, 100_003)])
    assert starts(queue, 8, by_hundreds) == "bababaaa"


def test_weights() -> None:
    """A group with three times the weight of another one starts three times as often."""
    queue = fair({"a": 3.0})
    queue.add_many(A, [(0.0, number) for number in range(1_000)])
    queue.add_many(B, [(0.0, number) for number in range(100_000, 101_000)])
    assert Counter(starts(queue, 400, by_hundreds)) == {"a": 300, "b": 100}


def test_a_better_task_goes_first_by_as_many_starts_as_its_points_are_worth() -> None:
    """35 points are three starts ahead, and the fourth is the other group's."""
    queue = fair()
    queue.add_many(A, [(-35.0, number) for number in range(10)])
    queue.add_many(B, [(0.0, number) for number in range(100_000, 100_010)])
    assert starts(queue, 8, by_hundreds) == "aaaababa"


def test_a_group_does_not_save_up_while_it_has_nothing_to_do() -> None:
    """One that comes back after a long time is as good as a new one."""
    queue = fair()
    queue.add(B, 100_000, 0.0)
    assert queue.pop() == 100_000
    queue.add_many(A, [(0.0, number) for number in range(1_000)])
    starts(queue, 900, by_hundreds)
    queue.add_many(B, [(0.0, number) for number in range(100_001, 100_101)])
    assert Counter(starts(queue, 20, by_hundreds)) == {"a": 10, "b": 10}


def test_workers_of_different_lanes_do_not_spend_each_others_share() -> None:
    """A group that uses the fast lane much keeps its half of the slow one."""
    queue = fair()
    queue.add_many(("fast", "a", None), [(0.0, number) for number in range(1_000)])
    for _ in range(1_000):
        queue.pop(("fast",))
    queue.add_many(("slow", "a", None), [(0.0, number) for number in range(10)])
    queue.add_many(("slow", "b", None), [(0.0, number) for number in range(100_000, 100_010)])
    assert Counter(by_hundreds(queue.pop(("slow",)) or 0) for _ in range(10)) == {"a": 5, "b": 5}


@pytest.mark.parametrize("of", ["groups", "limit keys"])
def test_the_choice_looks_at_few_lines(of: str) -> None:
    """A claim costs as much with a thousand lines as with ten."""
    looks = 0

    def is_open(lane: str, limit_key: str | None) -> bool:
        nonlocal looks
        looks += 1
        return True

    queue = fair()
    for number in range(10_000):
        name = f"{number % 1_000}"
        line = ("general", name, None) if of == "groups" else ("general", None, name)
        queue.add(line, number, -float(number % 97))
    queue.pop(None, is_open)
    looks = 0
    for _ in range(500):
        queue.pop(None, is_open)
    assert looks < 500 * 5


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(-100.0, 0.0)), min_size=1, max_size=80),
    st.sampled_from([1.0, 0.5, 4.0]),
)
def test_nobody_waits_longer_than_the_scores_allow(
    tasks: list[tuple[int, float]], weight: float
) -> None:
    """Scores differ by 100 points, ten starts: after so many of each other group it is its turn."""
    queue = fair({"0": weight})
    left: Counter[str] = Counter()
    groups: dict[int, str] = {}
    for number, (group, key) in enumerate(tasks):
        groups[number] = str(group)
        left[str(group)] += 1
        queue.add(("general", str(group), None), number, key)
    since = {group: Counter[str]() for group in left}
    while (number_ := queue.pop()) is not None:
        group_ = groups[number_]
        left[group_] -= 1
        for other in since:
            if other == group_ or not left[other]:
                since[other] = Counter()
            else:
                since[other] = since[other] + Counter([group_])
                share = weight if group_ == "0" else 1.0
                own = weight if other == "0" else 1.0
                assert since[other][group_] <= (10.0 + 1.0 / own) * share + 1.0
    assert not +left
