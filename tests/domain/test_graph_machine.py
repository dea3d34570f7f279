"""The graph does the same as a naive one under any sequence of calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scheduler.domain.errors import DependencyCycle
from scheduler.domain.graph import Graph
from scheduler.domain.priority import Facts
from scheduler.domain.task import Task
from tests.domain.making import make_task
from tests.domain.naive import Edges, NaiveGraph, has_circle, is_circle

LAST = 25  # numbers go from 0 to here: some are in the graph, some left it, some never came

own_values = st.fixed_dictionaries(
    {
        "estimated_duration": st.sampled_from([0.0, 0.1, 60.0, 5e4, 2e5]),
        "deadline_s": st.sampled_from([None, None, 0.0, 1e5, 2e9]),
        "base_priority": st.integers(0, 10),
        "source": st.sampled_from(["human", "agent_planner", "unheard of"]),
    }
)
numbers = st.integers(0, LAST)
edges = st.lists(numbers, max_size=3, unique=True).map(tuple)


def succeeds(call: Callable[[], None], would_be: Edges) -> bool:
    """Make a call that is refused, with a real circle, exactly if its edges would close one."""
    if not has_circle(would_be):
        call()
        return True
    with pytest.raises(DependencyCycle) as caught:
        call()
    assert is_circle(caught.value.path, would_be)
    return False


class GraphMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.graph = Graph()
        self.naive = NaiveGraph()
        self.reported: dict[int, Facts] = {}

    def some(self, data: st.DataObject, least: int = 1, most: int = 4) -> list[int]:
        known = st.sampled_from(sorted(self.naive.tasks))
        return data.draw(st.lists(known, min_size=least, max_size=most, unique=True))

    @rule(data=st.data(), fresh=st.sets(numbers, min_size=1, max_size=8))
    def admit(self, data: st.DataObject, fresh: set[int]) -> None:
        order = data.draw(st.permutations(sorted(fresh - self.naive.tasks.keys())))
        tasks = [self.draw_task(data, number) for number in order]
        would_be = self.naive.with_batch(tasks)
        if succeeds(lambda: self.graph.admit(tasks), would_be):
            for task in tasks:
                self.naive.tasks[task.number] = task
                self.reported[task.number] = self.graph.facts(task.number)
            self.naive.edges = would_be
            self.check_depths(tasks)

    def draw_task(self, data: st.DataObject, number: int) -> Task:
        values: dict[str, Any] = data.draw(own_values)
        requires = data.draw(edges)
        return make_task(number, requires, follows=data.draw(edges), **values)

    def check_depths(self, tasks: list[Task]) -> None:
        for task in tasks:
            depths = [self.graph.depth(n) for n in self.naive.edges[task.number]]
            assert self.graph.depth(task.number) == 1 + max(depths, default=-1)

    @precondition(lambda self: self.naive.tasks)
    @rule(data=st.data(), succeeded=st.booleans())
    def settle(self, data: st.DataObject, succeeded: bool) -> None:
        [number] = self.some(data, most=1)
        would_fall = self.graph.falls_with(number)
        released, fallen = self.graph.settle(number, succeeded=succeeded)
        if not succeeded:
            assert fallen == would_fall
        self.check_settlement({number: succeeded}, released, fallen)

    @precondition(lambda self: self.naive.tasks)
    @rule(data=st.data())
    def settle_many(self, data: st.DataObject) -> None:
        ends = {number: data.draw(st.booleans()) for number in self.some(data)}
        released, fallen = self.graph.settle_many(list(ends.items()))
        self.check_settlement(ends, released, fallen)

    def check_settlement(
        self, ends: dict[int, bool], released: list[int], fallen: list[int]
    ) -> None:
        edges_before = {number: set(known) for number, known in self.naive.edges.items()}
        expected_released, expected_fallen = self.naive.settle(ends)
        assert released == sorted(expected_released)
        assert sorted(fallen) == sorted(expected_fallen)
        places = {number: place for place, number in enumerate(fallen)}
        for number in fallen:
            for prerequisite in edges_before[number] & places.keys():
                assert places[prerequisite] < places[number]

    @precondition(lambda self: self.naive.tasks)
    @rule(data=st.data(), follows=edges)
    def connect(self, data: st.DataObject, follows: tuple[int, ...]) -> None:
        [number] = self.some(data, most=1)
        requires = self.some(data, least=0, most=2)
        would_be = self.naive.with_edges(number, requires, follows)
        if succeeds(lambda: self.graph.connect(number, requires, follows), would_be):
            self.naive.edges = would_be

    @precondition(lambda self: self.naive.tasks)
    @rule(data=st.data(), values=own_values)
    def revise(self, data: st.DataObject, values: dict[str, Any]) -> None:
        [number] = self.some(data, most=1)
        task = self.naive.tasks[number] = make_task(number, **values)
        self.graph.revise(task)

    @rule(budget=st.integers(1, 3))
    def sweep_a_little(self, budget: int) -> None:
        self.graph.sweep(budget)

    @rule()
    def sweep_to_idle(self) -> None:
        while self.graph.sweep(2):
            pass
        assert {n: self.graph.facts(n) for n in self.graph.numbers()} == self.naive.facts()

    @rule()
    def take_changed(self) -> None:
        changed = self.graph.take_changed()
        assert changed == sorted(set(changed) & self.naive.tasks.keys())
        for number in self.naive.tasks:
            facts = self.graph.facts(number)
            if number in changed:
                self.reported[number] = facts
            assert facts == self.reported[number]
        assert not self.graph.take_changed()

    @invariant()
    def both_hold_the_same(self) -> None:
        self.graph.check()
        assert len(self.graph) == len(self.naive.tasks)
        for number, known in self.naive.edges.items():
            assert number in self.graph
            assert self.graph.open_prerequisites(number) == sorted(known)
            assert self.graph.is_open(number) == (not known)


GraphMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestGraphMachine = GraphMachine.TestCase
