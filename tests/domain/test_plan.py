"""Plans agree with graphlib, with the longest path, and with a simulation written plainly."""

from __future__ import annotations

from graphlib import TopologicalSorter
from itertools import pairwise
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.domain import ids
from scheduler.domain.graph import Graph
from scheduler.domain.plan import execution_plan
from scheduler.domain.priority import Weights, score, sort_key
from scheduler.domain.task import Task
from scheduler.domain.views import Plan
from tests.domain.making import chain, fan_out, make_task

WEIGHTS = Weights()


@st.composite
def dags(draw: st.DrawFn) -> list[Task]:
    """Tasks in a valid order, whose scores do not change with time."""
    tasks = []
    for number in range(draw(st.integers(0, 12))):
        before = (
            draw(st.lists(st.sampled_from(range(number)), max_size=3, unique=True))
            if number
            else []
        )
        split = draw(st.integers(0, len(before)))
        task = make_task(
            number,
            tuple(before[:split]),
            follows=tuple(before[split:]),
            estimated_duration=draw(st.sampled_from([0.0, 1.0, 2.5, 60.0, 3600.0])),
            deadline_s=draw(st.sampled_from([None, 0.0])),
            base_priority=draw(st.integers(0, 10)),
        )
        tasks.append(task)
    return tasks


def graph_of(tasks: list[Task]) -> Graph:
    graph = Graph()
    graph.admit(tasks)
    return graph


def prerequisites(task: Task) -> set[int]:
    return {*task.requires, *task.follows}


def numbers(encoded: tuple[str, ...]) -> list[int]:
    return [ids.decode(one) for one in encoded]


@given(dags())
def test_batches_are_the_generations_that_graphlib_finds(tasks: list[Task]) -> None:
    sorter = TopologicalSorter({task.number: prerequisites(task) for task in tasks})
    sorter.prepare()
    generations = []
    while sorter:
        ready = sorter.get_ready()
        generations.append(sorted(ready))
        sorter.done(*ready)
    plan = execution_plan(graph_of(tasks))
    assert [numbers(batch) for batch in plan.batches] == generations
    assert plan.total_batches == len(generations)
    assert plan.max_parallelism == max(map(len, generations), default=0)
    assert plan.waits_for == {}


@given(dags())
def test_the_critical_path_is_a_path_and_the_longest(tasks: list[Task]) -> None:
    ends: dict[int, float] = {}
    for task in tasks:
        start = max((ends[n] for n in prerequisites(task)), default=0.0)
        ends[task.number] = start + task.estimated_duration
    plan = execution_plan(graph_of(tasks))
    assert plan.critical_path_seconds == max(ends.values(), default=0.0)
    path = [tasks[number] for number in numbers(plan.critical_path)]
    assert isclose(sum(task.estimated_duration for task in path), plan.critical_path_seconds)
    for before, after in pairwise(path):
        assert before.number in prerequisites(after)


@given(dags(), st.sets(st.integers(0, 11)))
def test_a_plan_of_some_names_the_unfinished_tasks_outside_that_they_wait_for(
    tasks: list[Task], wanted: set[int]
) -> None:
    wanted &= {task.number for task in tasks}
    plan = execution_plan(graph_of(tasks), wanted)
    assert {n for batch in plan.batches for n in numbers(batch)} == wanted
    outside = {n: prerequisites(tasks[n]) - wanted for n in wanted}
    assert {ids.decode(n): numbers(others) for n, others in plan.waits_for.items()} == {
        n: sorted(others) for n, others in outside.items() if others
    }
    alone = [make_task(n, tuple(prerequisites(tasks[n]) & wanted)) for n in sorted(wanted)]
    assert plan.batches == execution_plan(graph_of(alone)).batches


@given(dags(), st.integers(1, 4))
def test_the_makespan_is_that_of_a_plain_simulation(tasks: list[Task], workers: int) -> None:
    graph = graph_of(tasks)
    plan = execution_plan(graph, workers=workers)
    assert plan.makespan_seconds == plain_makespan(graph, tasks, workers)
    assert plan.lower_bound_seconds is not None
    assert plan.makespan_seconds >= plan.lower_bound_seconds * (1 - 1e-12)


def plain_makespan(graph: Graph, tasks: list[Task], workers: int) -> float:
    now = 0.0
    waiting = {task.number: prerequisites(task) for task in tasks}
    ready_s: dict[int, float] = {}
    running: dict[int, float] = {}
    while waiting or running:
        for number, before in waiting.items():
            if not before:
                ready_s.setdefault(number, now)
        line = [n for n in waiting if n in ready_s]
        line.sort(key=lambda n: (key(graph, tasks[n], ready_s[n], now), n))
        for number in line[: workers - len(running)]:
            del waiting[number]
            running[number] = now + tasks[number].estimated_duration
        now = min(running.values())
        for number in [n for n, end in running.items() if end == now]:
            del running[number]
            for before in waiting.values():
                before.discard(number)
    return now


def key(graph: Graph, task: Task, ready_s: float, now: float) -> float:
    points = score(graph.facts(task.number), task.estimated_duration, now, WEIGHTS)
    return sort_key(points, ready_s, WEIGHTS)


@given(dags(), st.integers(1, 4), st.floats(0, 2e9))
def test_the_makespan_keeps_its_bound_whatever_the_deadlines(
    tasks: list[Task], workers: int, now: float
) -> None:
    moved = [make_task(t.number, t.requires, deadline_s=now + t.number * 500) for t in tasks]
    plan = execution_plan(graph_of(moved), workers=workers, now=now)
    assert plan.makespan_seconds is not None and plan.lower_bound_seconds is not None
    assert plan.lower_bound_seconds * (1 - 1e-12) <= plan.makespan_seconds <= plan.total_seconds


def test_a_deadline_that_draws_near_during_the_run_changes_the_order() -> None:
    """At the start 4 stands behind 2 and 3. Ten hours later, half an hour before its deadline,
    it goes first, so that its long follower need not wait for the third worker to do it.
    """
    hour = 3600.0
    first = [make_task(n, estimated_duration=10 * hour, base_priority=10) for n in (0, 1)]
    middle = [make_task(n, estimated_duration=10 * hour, base_priority=5) for n in (2, 3)]
    third = make_task(6, estimated_duration=10 * hour + 120, base_priority=10)
    follower = make_task(5, (4,), estimated_duration=20 * hour, base_priority=0)
    now = 1.8e9
    for deadline, expected in ((None, 30 * hour + 180), (now + 10.5 * hour, 30 * hour + 120)):
        dated = make_task(4, base_priority=0, deadline_s=deadline)
        graph = graph_of([*first, *middle, dated, follower, third])
        assert execution_plan(graph, workers=3, now=now).makespan_seconds == expected


def test_all_that_ends_at_one_moment_is_handled_before_the_next_claim() -> None:
    """Both workers are free at 60 s: they take 3 and 4, though 2 came to be ready first."""
    graph = graph_of(
        [
            make_task(0),
            make_task(1),
            make_task(2, (0,), estimated_duration=50.0, base_priority=1),
            make_task(3, (1,), estimated_duration=100.0, base_priority=10),
            make_task(4, (1,), estimated_duration=300.0, base_priority=9),
        ]
    )
    assert execution_plan(graph, workers=2).makespan_seconds == 360.0


def test_a_number_given_twice_counts_once() -> None:
    graph = graph_of(chain(2))
    assert execution_plan(graph, [0, 0, 1]) == execution_plan(graph)


def test_batches_are_read_like_tuples_of_ids() -> None:
    batches = execution_plan(graph_of([*chain(2), make_task(7)])).batches
    as_tuple = tuple(tuple(map(ids.encode, batch)) for batch in ([0, 7], [1]))
    assert batches == as_tuple and tuple(batches) == as_tuple and batches != as_tuple[:1]
    assert (batches[0], batches[-1], batches[1:]) == (as_tuple[0], as_tuple[1], as_tuple[1:])
    assert hash(batches) == hash(as_tuple) and repr(batches) == repr(as_tuple)


def test_an_empty_plan_is_empty() -> None:
    assert execution_plan(Graph(), workers=3) == Plan(
        batches=(),
        max_parallelism=0,
        critical_path=(),
        critical_path_seconds=0.0,
        total_seconds=0.0,
        workers=3,
        makespan_seconds=0.0,
        lower_bound_seconds=0.0,
    )


def test_tasks_that_ended_do_not_count() -> None:
    graph = graph_of(chain(3))
    graph.settle(0, succeeded=True)
    plan = execution_plan(graph)
    assert [numbers(batch) for batch in plan.batches] == [[1], [2]]
    assert plan.waits_for == {}
    assert plan.total_seconds == 120.0


@pytest.mark.parametrize(
    ("tasks", "generations", "seconds"),
    [(chain(100_000), 100_000, 6e6), (fan_out(100_000), 2, 120.0)],
    ids=["chain", "fan-out"],
)
def test_100_000_tasks_in_a_row_or_side_by_side_can_be_planned(
    tasks: list[Task], generations: int, seconds: float
) -> None:
    plan = execution_plan(graph_of(tasks))
    assert plan.total_batches == generations
    assert plan.critical_path_seconds == seconds
