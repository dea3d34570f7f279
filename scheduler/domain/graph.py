"""Which unfinished task waits for which, and what each passes on to those it waits for.

A `requires` edge is met when the prerequisite succeeds, and takes the dependent with it when
it does not; a `follows` edge is met by any end. The graph holds unfinished tasks only: a
prerequisite that is not in it counts as met. Everything is iterative, so that chains and
fan-outs of any size work. n, m below are the nodes and edges that a call touches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scheduler.domain import ordering
from scheduler.domain.facts import Inheritance
from scheduler.domain.node import Node
from scheduler.domain.ordering import by_order
from scheduler.domain.priority import SOURCE_SCORES, Facts
from scheduler.domain.task import Task


class Settlement(NamedTuple):
    """What the end of tasks did to others.

    `released`: numbers that wait for nothing any more, ascending. `fallen`: numbers that can
    no longer start and have left the graph too, prerequisites first.
    """

    released: list[int]
    fallen: list[int]


class Graph:
    """The unfinished tasks by number. `nodes` is there to be read, by `plan` for one."""

    def __init__(self, source_scores: Mapping[str, float] = SOURCE_SCORES) -> None:
        self.nodes: dict[int, Node] = {}
        self._scores = source_scores
        self._inheritance = Inheritance()
        self._next_order = 0

    def __len__(self) -> int:
        return len(self.nodes)

    def __contains__(self, number: object) -> bool:
        return number in self.nodes

    def numbers(self) -> Iterable[int]:
        return self.nodes.keys()

    def is_open(self, number: int) -> bool:
        """Whether the task waits for no other."""
        return not self.nodes[number].waiting

    def open_prerequisites(self, number: int) -> list[int]:
        """Unfinished tasks that this one waits for, ascending."""
        return sorted(node.number for node in self.nodes[number].open_prerequisites())

    def depth(self, number: int) -> int:
        """1 + the maximum over prerequisites that were open at admission, else 0."""
        return self.nodes[number].depth

    def facts(self, number: int) -> Facts:
        """What is known now; `sweep` may still correct it."""
        return self.nodes[number].facts()

    # ------------------------------------------------------------- tasks come

    def admit(self, tasks: Sequence[Task]) -> None:
        """Take in new tasks, in any order, all or (DependencyCycle) nothing. O(n + m).

        Their numbers are not in the graph, and a task names each prerequisite once a kind.
        Their facts are exact at once, and their direct prerequisites know of them; what lies
        further up learns it in the next `sweep`, once for all batches until then.
        """
        nodes, scores = self.nodes, self._scores
        first_order = order = self._next_order
        linked: list[Node] = []
        for task in ordering.arrange(tasks):
            node = nodes[task.number] = Node(task, order, scores)
            order += 1
            if task.requires or task.follows:
                self._link(node, task)
                linked.append(node)
        self._next_order = order
        for node in reversed(linked):
            self._inheritance.joined(node, node.prerequisites, first_order)

    def _link(self, node: Node, task: Task) -> None:
        find = self.nodes.get
        prerequisites: list[Node] = []
        depth = 0
        for number in task.requires:
            if (found := find(number)) is not None:
                prerequisites.append(found)
                found.add_dependent(node)
                if found.depth >= depth:
                    depth = found.depth + 1
        for number in task.follows:
            found = find(number)
            if found is not None and number not in task.requires:
                prerequisites.append(found)
                found.add_dependent(node)
                node.lenient = (*node.lenient, number)
                depth = max(depth, found.depth + 1)
        if prerequisites:
            node.prerequisites, node.waiting, node.depth = prerequisites, len(prerequisites), depth

    def connect(self, number: int, requires: Iterable[int], follows: Iterable[int]) -> None:
        """Let an unfinished task wait for more; numbers not in the graph count as met.

        Raises DependencyCycle and changes nothing. See `ordering.insert` for the cost.
        """
        node = self.nodes[number]
        strict = {n: self.nodes[n] for n in requires if n in self.nodes}
        lenient = {n: self.nodes[n] for n in follows if n in self.nodes and n not in strict}
        known = dict.fromkeys(node.open_prerequisites())
        added = [found for found in (strict | lenient).values() if found not in known]
        ordering.insert(node, added)
        node.lenient = (
            *(n for n in node.lenient if n not in strict),
            *(found.number for found in added if found.number in lenient),
        )
        node.prerequisites = [*known, *added]
        node.waiting += len(added)
        for found in added:
            found.add_dependent(node)
        self._inheritance.joined(node, added)

    # ------------------------------------------------------------- tasks end

    def settle(self, number: int, *, succeeded: bool) -> Settlement:
        """A task has ended; see `settle_many`. O(1) for a success, and O(1) a dependent."""
        node = self.nodes[number]
        if not succeeded or node.waiting:
            return self.settle_many(((number, succeeded),))
        del self.nodes[number]
        node.alive = False
        released: list[Node] = []
        if node.dependents is not None:
            for dependent in node.dependents:
                if dependent.alive:
                    _meet(dependent, released)
            node.cut_off()
        return Settlement(_ascending(released), [])

    def settle_many(self, ends: Sequence[tuple[int, bool]]) -> Settlement:
        """Tasks (number, succeeded) have ended and leave the graph. O(n log n + m).

        What requires one that did not succeed falls, and with it what requires that in turn.
        Each number is reported once, and none of `ends`.
        """
        met: list[Node] = []
        failed: list[Node] = []
        for number, succeeded in ends:
            node = self.nodes.pop(number)
            node.alive = False
            (met if succeeded else failed).append(node)
        released: list[Node] = []
        for node in met:
            for dependent in node.open_dependents():
                _meet(dependent, released)
        fallen = _cascade(failed, released)
        for node in fallen:
            del self.nodes[node.number]
        for node in (*met, *failed, *fallen):
            if node.waiting:
                self._inheritance.left(node)
        for node in (*met, *failed, *fallen):
            node.cut_off()
        return Settlement(_ascending(released), [node.number for node in fallen])

    def falls_with(self, number: int) -> list[int]:
        """What would fall if this task did not succeed, prerequisites first. O(n log n + m)."""
        seen: dict[Node, None] = {self.nodes[number]: None}
        stack = list(seen)
        while stack:
            node = stack.pop()
            for dependent in node.open_dependents():
                if dependent not in seen and node.number not in dependent.lenient:
                    seen[dependent] = None
                    stack.append(dependent)
        return [node.number for node in sorted(seen, key=by_order)[1:]]

    # ------------------------------------------------------------- facts

    def revise(self, task: Task) -> None:
        """Estimate, deadline, base priority or source of an unfinished task have changed."""
        self._inheritance.revise(self.nodes[task.number], task, self._scores)

    def take_changed(self) -> list[int]:
        """Tasks whose facts have changed since the last call, ascending.

        An admission does not count as a change of the tasks admitted.
        """
        return [number for number in self._inheritance.take_changed() if number in self.nodes]

    def sweep(self, budget: int = 500) -> bool:
        """Bring the facts of up to `budget` tasks up to date; True while more are left."""
        return self._inheritance.sweep(budget)

    def check(self) -> None:
        """Assert every invariant of the graph. O(n + m), for tests."""
        edges = 0
        for number, node in self.nodes.items():
            assert node.alive and node.number == number
            prerequisites, dependents = node.open_prerequisites(), node.open_dependents()
            assert node.waiting == len(prerequisites) == len(set(prerequisites))
            assert node.blocking == len(dependents) == len(set(dependents))
            for found in prerequisites:
                assert self.nodes[found.number] is found and found.order < node.order
                assert found.dependents is not None and node in found.dependents
            edges += len(prerequisites) - len(dependents)
        assert edges == 0
        assert len({node.order for node in self.nodes.values()}) == len(self.nodes)
        self._inheritance.check(self.nodes.values())


def _meet(dependent: Node, released: list[Node]) -> None:
    dependent.waiting -= 1
    if not dependent.waiting:
        released.append(dependent)


def _ascending(nodes: Iterable[Node]) -> list[int]:
    return sorted([node.number for node in nodes])


def _cascade(failed: Iterable[Node], released: list[Node]) -> list[Node]:
    """Let fall what requires the failed ones; what only follows them is met. In order."""
    fallen: list[Node] = []
    stack = list(failed)
    while stack:
        node = stack.pop()
        for dependent in node.open_dependents():
            if node.number in dependent.lenient:
                _meet(dependent, released)
            else:
                dependent.alive = False
                fallen.append(dependent)
                stack.append(dependent)
    fallen.sort(key=by_order)
    return fallen
