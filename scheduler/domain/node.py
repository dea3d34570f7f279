"""A task as the graph sees it: its edges to other unfinished tasks, and its facts.

Nodes know nothing of the graph that holds them. A node that left the graph is not `alive`;
neighbours drop it from their lists when they next look, so that leaving costs nothing there.
It has lost its own edges, so that nodes that left form no circles of references.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from scheduler.domain.priority import RANK_CAP, Facts
from scheduler.domain.task import Task

Inherited = tuple[float, float, int, float]  # rank, due, base, source

UNBOUNDED: Inherited = (inf, -inf, 11, inf)  # more than any node can inherit


class Node:
    """See the module. Ranks are cut at RANK_CAP, where the score does not see them grow."""

    __slots__ = (
        "alive",
        "base",
        "blocking",
        "deadline",
        "dependents",
        "depth",
        "due",
        "estimate",
        "lenient",
        "mark",
        "number",
        "order",
        "own_base",
        "own_source",
        "prerequisites",
        "rank",
        "source",
        "waiting",
    )

    def __init__(self, task: Task, order: int, scores: Mapping[str, float]) -> None:
        self.number = task.number
        self.order = order  # greater than that of every prerequisite
        self.alive = True
        self.depth = 0
        self.mark = 0  # what the inheritance still has to do here
        self.waiting = 0  # open prerequisites
        self.blocking = 0  # open dependents
        self.prerequisites: Sequence[Node] = ()
        self.dependents: list[Node] | None = None
        self.lenient: tuple[int, ...] = ()  # prerequisites that need not succeed
        self.own_values(task, scores)
        self.rank = self.estimate if self.estimate < RANK_CAP else RANK_CAP
        self.due, self.base, self.source = self.deadline, self.own_base, self.own_source

    def own_values(self, task: Task, scores: Mapping[str, float]) -> None:
        self.estimate = task.estimated_duration
        self.deadline = inf if task.deadline_s is None else task.deadline_s
        self.own_base = task.base_priority
        self.own_source = scores.get(task.source, 0.0)

    def facts(self) -> Facts:
        return Facts(self.rank, self.due, self.base, self.source, self.blocking)

    def inherited(self) -> Inherited:
        return self.rank, self.due, self.base, self.source

    def passed_on(self) -> Inherited:
        """What a prerequisite inherits: it must end before this task has to start."""
        return self.rank, self.due - self.estimate, self.base, self.source

    def open_prerequisites(self) -> list[Node]:
        return [node for node in self.prerequisites if node.alive] if self.waiting else []

    def open_dependents(self) -> list[Node]:
        return [node for node in self.dependents or () if node.alive]

    def add_dependent(self, node: Node) -> None:
        self.blocking += 1
        if self.dependents is None:
            self.dependents = [node]
        else:
            self.dependents.append(node)

    def lose_dependent(self) -> None:
        """One has left; O(1) amortized: the list is swept once most of it has left."""
        self.blocking -= 1
        assert self.dependents is not None
        if len(self.dependents) > 2 * self.blocking + 8:
            self.dependents = self.open_dependents()

    def cut_off(self) -> None:
        """The node leaves the graph."""
        self.prerequisites = ()
        self.dependents = None

    def inherit(self, passed_on: Inherited) -> bool:
        """Take over what one dependent passes on; True if that raised a fact. O(1)."""
        rank, due, base, source = passed_on
        raised = False
        rank += self.estimate
        if rank > self.rank and self.rank < RANK_CAP:
            self.rank = rank if rank < RANK_CAP else RANK_CAP
            raised = True
        if due < self.due:
            self.due = due
            raised = True
        if base > self.base:
            self.base = base
            raised = True
        if source > self.source:
            self.source = source
            raised = True
        return raised

    def leans_on(self, passed_on: Inherited) -> bool:
        """Whether a fact may stem from a dependent that passed this on. O(1)."""
        rank, due, base, source = passed_on
        return (
            (self.rank > self.estimate and rank + self.estimate >= self.rank)
            or (due <= self.due < self.deadline)
            or (base >= self.base > self.own_base)
            or (source >= self.source > self.own_source)
        )

    def derive(self, bound: Inherited) -> None:
        """Compute the facts anew from the open dependents; none of them passes `bound`.

        O(dependents), but it ends as soon as every fact attains its bound, so that a hub that
        loses 100,000 equal dependents one by one does not scan the others each time.
        """
        self.rank = min(self.estimate, RANK_CAP)
        self.due, self.base, self.source = self.deadline, self.own_base, self.own_source
        dependents = self.dependents or []
        place = len(dependents)
        while place and self.inherited() != bound:
            place -= 1
            dependent = dependents[place]
            if dependent.alive:
                self.inherit(dependent.passed_on())
            else:
                dependents[place] = dependents[-1]  # one that was looked at already, or itself
                dependents.pop()
