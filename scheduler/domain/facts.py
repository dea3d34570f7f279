"""Inheritance: what a task passes on to the tasks it waits for.

Rank, effective deadline, base priority and source flow from dependents to prerequisites, each
as a maximum (or minimum), so that the facts of a node are a function of its dependents' facts:

- A fact that rises is handed to the direct prerequisites at once; each that rises by it is
  noted, to hand it on in turn.
- A fact that may have fallen is noted, to be computed anew.

Noted nodes wait in a heap and are worked off in reverse topological order, so each is
visited once however many of its dependents changed (the order only saves visits: an edge
added meanwhile may cost some). At any moment every node that is not noted is exact with regard
to its dependents, apart from rises they have yet to hand on; when the heap is empty, all are
what one pass over the whole graph would compute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from itertools import count
from math import inf

from scheduler.domain.node import UNBOUNDED, Inherited, Node
from scheduler.domain.task import Task

RISEN = 1  # has facts to hand on
STALE = 2  # may have facts that are too high


class Inheritance:
    """The notes of one graph: which nodes wait for work, and whose facts have changed."""

    def __init__(self) -> None:
        self._noted: list[tuple[int, int, Node]] = []
        self._serial = count()  # between nodes of one order: positions may have moved
        self._changed: set[int] = set()

    def take_changed(self) -> list[int]:
        """Numbers whose facts changed since the last call; some may have left the graph."""
        if not self._changed:
            return []
        changed = sorted(self._changed)
        self._changed.clear()
        return changed

    def joined(self, node: Node, prerequisites: Iterable[Node], first_order: float = inf) -> None:
        """A node has begun to wait for these prerequisites. O(prerequisites).

        Those from `first_order` on came in the same batch, of which the last are joined first:
        their turn to hand on is yet to come, and nobody has seen their facts.
        """
        passed_on = node.passed_on()
        for prerequisite in prerequisites:
            risen = prerequisite.inherit(passed_on)
            if prerequisite.order < first_order:
                self._changed.add(prerequisite.number)
                if risen:
                    self._note(prerequisite, RISEN)

    def left(self, node: Node) -> None:
        """A node with open prerequisites has left the graph. O(its prerequisites)."""
        passed_on = node.passed_on()
        for prerequisite in node.prerequisites:
            if prerequisite.alive:
                prerequisite.lose_dependent()
                self._changed.add(prerequisite.number)
                if prerequisite.leans_on(passed_on):
                    self._note(prerequisite, STALE)

    def revise(self, node: Node, task: Task, scores: Mapping[str, float]) -> None:
        """The task's own values have changed. O(neighbours)."""
        before, passed_on = node.inherited(), node.passed_on()
        node.own_values(task, scores)
        node.derive(UNBOUNDED)
        if node.inherited() != before:
            self._changed.add(node.number)
        if node.passed_on() != passed_on:
            self._hand_on(node, passed_on)

    def sweep(self, budget: int) -> bool:
        """Work off up to `budget` noted nodes; True while more are left."""
        noted = self._noted
        while noted and budget > 0:
            budget -= 1
            node = heappop(noted)[2]
            if node.alive:
                self._visit(node)
        return bool(noted)

    def check(self, nodes: Iterable[Node]) -> None:
        """Assert that exactly the noted nodes are marked, and that all facts are exact if none."""
        noted = {node for _, _, node in self._noted if node.alive}
        for node in nodes:
            assert (node in noted) == bool(node.mark)
            if not self._noted:
                facts = node.inherited()
                node.derive(UNBOUNDED)
                assert node.inherited() == facts

    def _note(self, node: Node, mark: int) -> None:
        if not node.mark:
            heappush(self._noted, (-node.order, next(self._serial), node))
        node.mark |= mark

    def _visit(self, node: Node) -> None:
        mark, node.mark = node.mark, 0
        before, passed_on = node.inherited(), node.passed_on()
        if mark & STALE:
            node.derive(before)  # rises come by themselves: facts can only fall here
            if node.inherited() != before:
                self._changed.add(node.number)
            elif mark == STALE:
                return
        self._hand_on(node, passed_on)

    def _hand_on(self, node: Node, passed_on_before: Inherited) -> None:
        """Let the prerequisites know what the node passes on now."""
        passed_on = node.passed_on()
        fallen = _fallen(passed_on_before, passed_on)
        for prerequisite in node.open_prerequisites():
            if fallen and prerequisite.leans_on(passed_on_before):
                self._note(prerequisite, STALE)
            if prerequisite.inherit(passed_on):
                self._changed.add(prerequisite.number)
                self._note(prerequisite, RISEN)


def _fallen(before: Inherited, after: Inherited) -> bool:
    return (
        after[0] < before[0] or after[1] > before[1] or after[2] < before[2] or after[3] < before[3]
    )
