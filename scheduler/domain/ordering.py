"""Topological order, kept as a number in each node: prerequisites have the smaller ones.

A new task cannot be waited for by an older one, so a batch is sorted in itself and goes to the
end: A. B. Kahn, "Topological sorting of large networks", CACM 5 (1962). An edge between tasks
that exist moves only the nodes between its ends: D. J. Pearce and P. H. J. Kelly, "A dynamic
topological sort algorithm for directed acyclic graphs", ACM JEA 11 (2006).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from scheduler.domain import ids
from scheduler.domain.errors import DependencyCycle
from scheduler.domain.node import Node
from scheduler.domain.task import Task

by_order = attrgetter("order")


def arrange(tasks: Sequence[Task]) -> Sequence[Task]:
    """The tasks of a batch, each after those of the batch that it waits for. O(tasks + edges).

    A batch that is in order already stays as it is. Raises DependencyCycle.
    """
    if _numbered_in_order(tasks):
        return tasks
    places = {task.number: place for place, task in enumerate(tasks)}
    if _in_order(tasks, places):
        return tasks
    inner = [
        [places[number] for number in (*task.requires, *task.follows) if number in places]
        for task in tasks
    ]
    return [tasks[place] for place in _kahn(tasks, inner)]


def _numbered_in_order(tasks: Sequence[Task]) -> bool:
    """Whether numbers rise, and each task waits for smaller ones; so it is in most batches."""
    last = -1
    for task in tasks:
        number = task.number
        if number <= last:
            return False
        last = number
        for other in task.requires:
            if other >= number:
                return False
        for other in task.follows:
            if other >= number:
                return False
    return True


def _in_order(tasks: Sequence[Task], places: Mapping[int, int]) -> bool:
    place_of = places.get
    for place, task in enumerate(tasks):
        for number in task.requires:
            if place_of(number, -1) >= place:
                return False
        for number in task.follows:
            if place_of(number, -1) >= place:
                return False
    return True


def _kahn(tasks: Sequence[Task], prerequisites: Sequence[Sequence[int]]) -> list[int]:
    waiting = [len(found) for found in prerequisites]
    dependents: list[list[int]] = [[] for _ in prerequisites]
    for place, found in enumerate(prerequisites):
        for prerequisite in found:
            dependents[prerequisite].append(place)
    arranged = [place for place, count in enumerate(waiting) if not count]
    for place in arranged:  # grows as it goes
        for dependent in dependents[place]:
            waiting[dependent] -= 1
            if not waiting[dependent]:
                arranged.append(dependent)
    if len(arranged) < len(tasks):
        circle = _circle(prerequisites, waiting)
        raise cycle([tasks[place].number for place in circle])
    return arranged


def _circle(prerequisites: Sequence[Sequence[int]], waiting: Sequence[int]) -> list[int]:
    """A circle among the places that still wait: each of them waits for another of them."""
    place = next(place for place, count in enumerate(waiting) if count)
    steps: dict[int, int] = {}
    while place not in steps:
        steps[place] = len(steps)
        place = next(found for found in prerequisites[place] if waiting[found])
    return list(steps)[steps[place] :]


def insert(node: Node, prerequisites: Sequence[Node]) -> None:
    """Move nodes so that the node stands after the prerequisites it is about to wait for.

    Visits only nodes between the node and its last prerequisite in the order: O(m log m) for m
    of them with their edges, nothing if the prerequisites stand before the node already.
    Raises DependencyCycle before anything has changed.
    """
    late = [found for found in prerequisites if found.order >= node.order]
    if not late:
        return
    behind = _waiting_for(node, late)
    front = _needed_by(late, node.order)
    moved = sorted(front, key=by_order) + sorted(behind, key=by_order)
    orders = sorted(found.order for found in moved)
    for found, order in zip(moved, orders, strict=True):
        found.order = order


def _waiting_for(node: Node, late: Sequence[Node]) -> Iterable[Node]:
    """The node and all that wait for it, up to the last of the `late` ones."""
    last = max(found.order for found in late)
    came_from: dict[Node, Node] = {node: node}
    stack = [node]
    while stack:
        found = stack.pop()
        for dependent in found.open_dependents():
            if dependent.order <= last and dependent not in came_from:
                came_from[dependent] = found
                stack.append(dependent)
    for found in late:
        if found in came_from:
            raise cycle(_way_back(found, came_from, node))
    return came_from


def _way_back(found: Node, came_from: dict[Node, Node], node: Node) -> list[int]:
    path = [node.number]
    while found is not node:
        path.append(found.number)
        found = came_from[found]
    return path


def _needed_by(late: Iterable[Node], first: int) -> Iterable[Node]:
    """The `late` nodes and all they wait for, down to the order `first`."""
    seen = dict.fromkeys(late)
    stack = list(seen)
    while stack:
        for prerequisite in stack.pop().open_prerequisites():
            if prerequisite.order > first and prerequisite not in seen:
                seen[prerequisite] = None
                stack.append(prerequisite)
    return seen


def cycle(numbers: Sequence[int]) -> DependencyCycle:
    """The error for a circle in which each task waits for the next and the last for the first."""
    return DependencyCycle(
        f"{len(numbers)} tasks wait for each other in a circle"
        if len(numbers) > 1
        else "a task cannot wait for itself",
        path=list(ids.encode_all(numbers)),
        field="prerequisites",
        allowed="prerequisites without a circle",
        hint="Take one of the edges on the path out.",
    )
