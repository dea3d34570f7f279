"""Single facts about the graph; test_graph_machine.py compares it with a naive one at length."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from math import inf
from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.domain import ids
from scheduler.domain.errors import DependencyCycle
from scheduler.domain.graph import Graph
from scheduler.domain.node import Node
from scheduler.domain.priority import RANK_CAP, Facts
from scheduler.domain.task import Task
from tests.domain.making import chain, fan_out, make_task

MANY = 100_000


def graph_of(tasks: list[Task]) -> Graph:
    graph = Graph()
    graph.admit(tasks)
    return graph


def sweep_to_idle(graph: Graph) -> None:
    while graph.sweep():
        pass


def test_a_new_task_without_edges_is_open_and_inherits_nothing() -> None:
    graph = graph_of([make_task(1, estimated_duration=7.0, deadline_s=99.0)])
    assert graph.is_open(1)
    assert graph.facts(1) == Facts(rank=7.0, due=99.0, base=5, source=100.0, blocking=0)
    assert (1 in graph, 2 in graph, len(graph), list(graph.numbers())) == (True, False, 1, [1])


def test_a_prerequisite_inherits_from_the_longest_chain_and_the_tightest_deadline() -> None:
    graph = graph_of(
        [
            make_task(1, estimated_duration=1.0, base_priority=0, source="agent_planner"),
            make_task(2, (1,), estimated_duration=10.0, deadline_s=1000.0, base_priority=9),
            make_task(3, (1,), estimated_duration=100.0, deadline_s=1050.0, base_priority=2),
        ]
    )
    assert graph.facts(1) == Facts(rank=101.0, due=950.0, base=9, source=100.0, blocking=2)


def test_an_unknown_source_scores_nothing_and_a_mapping_replaces_the_scores() -> None:
    graph = Graph(source_scores={"robot": 12.0})
    graph.admit([make_task(1, source="robot"), make_task(2, source="human")])
    assert graph.facts(1).source == 12.0
    assert graph.facts(2).source == 0.0


def test_an_edge_to_a_number_that_is_not_in_the_graph_counts_as_met() -> None:
    graph = graph_of([make_task(2, (1,), follows=(0,))])
    assert graph.is_open(2)
    assert graph.depth(2) == 0


def test_depth_counts_open_prerequisites_and_stays() -> None:
    graph = graph_of(chain(3))
    assert [graph.depth(n) for n in range(3)] == [0, 1, 2]
    graph.settle(0, succeeded=True)
    assert graph.depth(2) == 2


def test_success_releases_those_that_waited_for_nothing_else() -> None:
    graph = graph_of([make_task(1), make_task(2), make_task(4, (1,)), make_task(3, (1, 2))])
    assert graph.settle(1, succeeded=True) == ([4], [])
    assert graph.settle(2, succeeded=True) == ([3], [])


def test_failure_takes_those_that_require_it_and_releases_those_that_follow() -> None:
    tasks = [make_task(1), make_task(2, (1,)), make_task(3, (2,)), make_task(4, (1, 3))]
    graph = graph_of(
        [
            *tasks,
            make_task(5, follows=(1, 4)),
            make_task(6, follows=(3, 7), requires=(7,)),
            make_task(7),
        ]
    )
    assert graph.falls_with(1) == [2, 3, 4]
    assert graph.settle(1, succeeded=False) == ([5], [2, 3, 4])
    assert graph.open_prerequisites(6) == [7]


def test_requires_wins_over_follows() -> None:
    graph = graph_of([make_task(1), make_task(2, (1,), follows=(1,))])
    assert graph.open_prerequisites(2) == [1]
    assert graph.settle(1, succeeded=False) == ([], [2])


def test_several_ends_report_each_number_once_and_none_of_themselves() -> None:
    tasks = [make_task(1), make_task(2), make_task(3, (1,), follows=(2,)), make_task(4, (1, 2))]
    graph = graph_of([*tasks, make_task(5, follows=(1, 2)), make_task(6, (3,))])
    assert graph.settle_many([(1, False), (2, True), (6, False)]) == ([5], [3, 4])


def test_a_circle_in_a_batch_is_refused_with_its_path_and_nothing_changes() -> None:
    graph = graph_of([make_task(1)])
    with pytest.raises(DependencyCycle) as caught:
        graph.admit(
            [make_task(5, (1,)), make_task(2, (4, 1)), make_task(3, (2,)), make_task(4, (3,))]
        )
    assert sorted(caught.value.path) == [ids.encode(n) for n in (2, 3, 4)]
    assert list(graph.numbers()) == [1]
    assert graph.facts(1).blocking == 0
    graph.check()


@pytest.mark.parametrize("edge", ["requires", "follows"])
def test_a_task_that_waits_for_itself_is_a_circle_of_one(edge: str) -> None:
    with pytest.raises(DependencyCycle) as caught:
        Graph().admit([make_task(1, **{edge: (1,)})])
    assert caught.value.path == [ids.encode(1)]


def test_an_added_edge_that_closes_a_circle_is_refused_and_nothing_changes() -> None:
    graph = graph_of(chain(5))
    with pytest.raises(DependencyCycle) as caught:
        graph.connect(1, (4,), ())
    assert caught.value.path == [ids.encode(n) for n in (1, 4, 3, 2)]
    assert graph.open_prerequisites(1) == [0]
    graph.check()


def test_an_added_edge_against_the_order_moves_only_what_is_tied_to_its_ends() -> None:
    graph = graph_of(
        [*(make_task(n) for n in range(3)), make_task(3, (1,)), make_task(4, (2,)), make_task(5)]
    )
    graph.connect(1, (4,), ())
    order = sorted(graph.numbers(), key=lambda n: graph.nodes[n].order)
    assert order == [0, 2, 4, 1, 3, 5]
    graph.check()


def test_connect_can_turn_follows_into_requires_but_not_back() -> None:
    graph = graph_of([make_task(1), make_task(2, follows=(1,)), make_task(3, (1,))])
    graph.connect(2, (1,), ())
    graph.connect(3, (), (1,))
    assert graph.settle(1, succeeded=False) == ([], [2, 3])


def test_a_task_that_comes_back_does_not_revive_edges_that_were_met() -> None:
    graph = graph_of([make_task(1), make_task(2, follows=(1,))])
    graph.settle(1, succeeded=False)
    graph.admit([make_task(1)])
    assert graph.is_open(2)
    assert graph.settle(1, succeeded=False) == ([], [])


def test_changed_facts_are_told_once_and_new_tasks_are_no_change() -> None:
    graph = graph_of(chain(3))
    assert graph.take_changed() == []
    graph.admit([make_task(9, (1,), base_priority=8)])
    sweep_to_idle(graph)
    assert graph.take_changed() == [0, 1]
    assert graph.take_changed() == []


def test_a_completion_changes_no_facts() -> None:
    graph = graph_of(chain(3))
    graph.settle(0, succeeded=True)
    assert not graph.sweep()
    assert graph.take_changed() == []


def test_a_revision_reaches_every_prerequisite_when_swept() -> None:
    graph = graph_of(chain(4))
    graph.revise(make_task(3, estimated_duration=10.0, deadline_s=1000.0))
    assert graph.sweep(1)
    sweep_to_idle(graph)
    assert graph.take_changed() == [0, 1, 2, 3]
    assert graph.facts(0) == Facts(rank=190.0, due=870.0, base=5, source=100.0, blocking=1)
    graph.revise(make_task(3))
    sweep_to_idle(graph)
    assert graph.facts(0) == Facts(rank=240.0, due=inf, base=5, source=100.0, blocking=1)


@pytest.mark.parametrize(
    "fields",
    [{"deadline_s": 9.0}, {"base_priority": 8}, {"source": "human"}, {"estimated_duration": 999.0}],
    ids=lambda fields: next(iter(fields)),
)
def test_what_a_lost_dependent_had_passed_on_is_taken_back_all_the_way(
    fields: dict[str, Any],
) -> None:
    """Other dependents hold up the rank, so that each fact has to be missed by itself."""
    plain: dict[str, Any] = {"source": "agent_planner", "estimated_duration": 0.0}
    graph = graph_of(
        [
            make_task(1, **plain),
            make_task(2, (1,), **plain),
            *(make_task(n + 10, (n,), **(plain | {"estimated_duration": 99.0})) for n in (1, 2)),
            make_task(21, (1,), **(plain | {"estimated_duration": 200.0})),
        ]
    )
    alone = [graph.facts(n) for n in (1, 2)]
    graph.admit([make_task(4, (2,), **(plain | fields))])
    sweep_to_idle(graph)
    assert replace(graph.facts(1), blocking=0) != replace(alone[0], blocking=0)
    graph.settle(4, succeeded=False)
    sweep_to_idle(graph)
    assert [graph.facts(n) for n in (1, 2)] == alone


def test_a_rank_stops_rising_at_its_cap() -> None:
    graph = graph_of([make_task(1), make_task(2, (1,), estimated_duration=RANK_CAP * 3)])
    graph.admit([make_task(3, (2,))])
    assert not graph.sweep()
    assert graph.take_changed() == [2]  # it blocks one more
    assert graph.facts(1).rank == graph.facts(2).rank == RANK_CAP


def test_a_hub_forgets_the_dependents_that_came_and_went() -> None:
    graph = graph_of([make_task(0), make_task(1, (0,), estimated_duration=1e4)])
    for number in range(2, 1000):
        graph.admit([make_task(number, (0,))])
        graph.settle(number, succeeded=False)
    assert graph.nodes[0].dependents is not None
    assert len(graph.nodes[0].dependents) < 20


def test_tasks_that_left_are_freed_without_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        before = live_nodes()
        graph = graph_of([*fan_out(50), make_task(60, (5, 6), follows=(7,)), make_task(61, (60,))])
        graph.settle_many([(5, True), (6, False)])
        graph.settle(0, succeeded=False)
        sweep_to_idle(graph)
        assert (len(graph), live_nodes()) == (0, before)
    finally:
        gc.enable()


def live_nodes() -> int:
    return sum(isinstance(thing, Node) for thing in gc.get_objects())


@pytest.mark.parametrize("make", [chain, fan_out])
def test_100_000_tasks_in_a_row_or_side_by_side_are_no_trouble(make: object) -> None:
    assert callable(make)
    tasks = make(MANY)
    graph = graph_of(tasks[::-1])
    assert len(graph.falls_with(0)) == len(tasks) - 1
    graph.revise(make_task(MANY - 1, deadline_s=1e9))
    sweep_to_idle(graph)
    assert graph.facts(0).due < 1e9
    graph.settle(0, succeeded=True)
    assert len(graph.settle(1, succeeded=False).fallen) in (0, MANY - 2)


@pytest.mark.parametrize(
    "order",
    [range(1, 2001), range(2000, 0, -1), [n * 7 % 2001 for n in range(1, 2001)]],
    ids=["oldest first", "newest first", "mixed"],
)
def test_a_hub_that_loses_equal_dependents_one_by_one_looks_at_few_of_them(
    order: Iterable[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = graph_of(fan_out(2000))
    looks = 0
    inherited = Node.inherited

    def counted(node: Node) -> tuple[float, float, int, float]:
        nonlocal looks
        looks += 1
        return inherited(node)

    monkeypatch.setattr(Node, "inherited", counted)
    for number in order:
        graph.settle(number, succeeded=False)
        graph.sweep()
    assert graph.facts(0).rank == 60.0
    assert looks < 10 * 2000
