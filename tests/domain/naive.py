"""The graph again, as simple as can be: everything is computed from scratch at each question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from math import inf

from scheduler.domain import ids
from scheduler.domain.priority import RANK_CAP, SOURCE_SCORES, Facts
from scheduler.domain.task import Task

Edges = dict[int, dict[int, bool]]  # task -> open prerequisite -> whether it must succeed


class NaiveGraph:
    """Tasks and open edges, nothing derived."""

    def __init__(self) -> None:
        self.tasks: dict[int, Task] = {}
        self.edges: Edges = {}

    def with_batch(self, tasks: Iterable[Task]) -> Edges:
        """The edges there would be with these tasks."""
        tasks = list(tasks)
        known = self.tasks.keys() | {task.number for task in tasks}
        return self.edges | {
            task.number: {n: False for n in task.follows if n in known}
            | {n: True for n in task.requires if n in known}
            for task in tasks
        }

    def with_edges(self, number: int, requires: Iterable[int], follows: Iterable[int]) -> Edges:
        """The edges there would be if this task waited for more."""
        merged = {n: False for n in follows if n in self.tasks} | self.edges[number]
        merged |= {n: True for n in requires if n in self.tasks}
        return self.edges | {number: merged}

    def cascade(self, ends: Mapping[int, bool]) -> set[int]:
        """What falls with those that did not succeed, without any of `ends`."""
        dead = {number for number, succeeded in ends.items() if not succeeded}
        while more := {
            number
            for number, edges in self.edges.items()
            if number not in dead | ends.keys()
            and any(strict and n in dead for n, strict in edges.items())
        }:
            dead |= more
        return dead - ends.keys()

    def settle(self, ends: Mapping[int, bool]) -> tuple[set[int], set[int]]:
        """Released and fallen numbers."""
        fallen = self.cascade(ends)
        gone = fallen | ends.keys()
        waited = {number for number, edges in self.edges.items() if edges}
        for number in gone:
            del self.tasks[number], self.edges[number]
        for edges in self.edges.values():
            for number in gone & edges.keys():
                del edges[number]
        released = {number for number in waited - gone if not self.edges[number]}
        return released, fallen

    def facts(self) -> dict[int, Facts]:
        """The facts of all tasks, by their definition."""
        facts: dict[int, Facts] = {}
        order = list(TopologicalSorter(self.edges).static_order())
        for number in reversed(order):
            task = self.tasks[number]
            after = [self.tasks[n] for n, edges in self.edges.items() if number in edges]
            passed = [facts[dependent.number] for dependent in after]
            due = [
                known.due - dependent.estimated_duration
                for known, dependent in zip(passed, after, strict=True)
            ]
            rank = task.estimated_duration + max((known.rank for known in passed), default=0.0)
            facts[number] = Facts(
                rank=min(rank, RANK_CAP),
                due=min([inf if task.deadline_s is None else task.deadline_s, *due]),
                base=max([task.base_priority, *(known.base for known in passed)]),
                source=max([SOURCE_SCORES.get(task.source, 0.0), *(k.source for k in passed)]),
                blocking=len(after),
            )
        return facts


def has_circle(edges: Edges) -> bool:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError:
        return True
    return False


def is_circle(path: Sequence[str], edges: Edges) -> bool:
    """Whether each task waits for the next, and the last for the first, and none is met twice."""
    numbers = [ids.decode(step) for step in path]
    following = numbers[1:] + numbers[:1]
    return len(set(numbers)) == len(numbers) > 0 and all(
        after in edges[before] for before, after in zip(numbers, following, strict=True)
    )
