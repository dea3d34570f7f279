"""How unfinished tasks can run: which at the same time, and how long it takes at least.

A. B. Kahn's generations ("Topological sorting of large networks", CACM 5, 1962) and the longest
path come out of one walk in the topological order that the graph keeps anyway.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import fsum
from typing import NamedTuple

from msgspec.structs import replace

from scheduler.domain import ids
from scheduler.domain.graph import Graph
from scheduler.domain.node import Node
from scheduler.domain.ordering import by_order
from scheduler.domain.priority import Weights
from scheduler.domain.simulation import makespan
from scheduler.domain.views import Plan

DEFAULT_WEIGHTS = Weights()


def execution_plan(
    graph: Graph,
    numbers: Collection[int] | None = None,
    workers: int | None = None,
    *,
    now: float = 0.0,
    weights: Weights = DEFAULT_WEIGHTS,
) -> Plan:
    """The plan of these unfinished tasks (None: all of them), as if none had started yet.

    Durations are the estimates. With `workers` a run of so many workers that starts `now`
    (Unix seconds) is simulated; `not_before` is not considered. O(n log n + edges).
    """
    nodes = _chosen(graph, numbers)
    walk = _walk(nodes)
    names = ids.encode_all(node.number for node in nodes)
    batches = _batches(names, walk.generations)
    path_seconds = max(walk.ends, default=0.0)
    total = fsum(node.estimate for node in nodes)
    plan = Plan(
        batches=batches,
        max_parallelism=max(map(len, batches), default=0),
        critical_path=tuple(names[place] for place in _critical_path(walk)),
        critical_path_seconds=path_seconds,
        total_seconds=total,
        waits_for=_waits_for(nodes, walk),
    )
    if workers is None:
        return plan
    return replace(
        plan,
        workers=workers,
        makespan_seconds=makespan(nodes, workers, now, weights),
        lower_bound_seconds=max(path_seconds, total / workers),
    )


def _chosen(graph: Graph, numbers: Collection[int] | None) -> list[Node]:
    """The nodes in topological order, each once."""
    if numbers is None:
        return sorted(graph.nodes.values(), key=by_order)
    return sorted((graph.nodes[number] for number in set(numbers)), key=by_order)


class _Walk(NamedTuple):
    """What is known of the nodes, by place in the order of the walk."""

    places: dict[Node, int]
    generations: list[int]
    ends: list[float]  # seconds after the start, with workers for all
    last: list[int]  # the prerequisite that ends last, or -1
    cut: set[Node]  # which have prerequisites outside the plan, or that are met


def _walk(nodes: Sequence[Node]) -> _Walk:
    places = dict(zip(nodes, range(len(nodes)), strict=True))
    place_of = places.get
    generations = [0] * len(nodes)
    ends = [node.estimate for node in nodes]
    last = [-1] * len(nodes)
    cut: set[Node] = set()
    for place, node in enumerate(nodes):
        if not node.waiting:
            continue
        generation, start = 0, 0.0
        for prerequisite in node.prerequisites:
            before = place_of(prerequisite)
            if before is None:
                cut.add(node)
                continue
            found, end = generations[before], ends[before]
            if found >= generation:
                generation = found + 1
            if end >= start:
                start = end
                last[place] = before
        generations[place] = generation
        ends[place] += start
    return _Walk(places, generations, ends, last, cut)


def _waits_for(nodes: Sequence[Node], walk: _Walk) -> dict[str, tuple[str, ...]]:
    waits_for: dict[str, tuple[str, ...]] = {}
    for node in nodes if walk.cut else ():
        if node in walk.cut:
            open_ = (found for found in node.open_prerequisites() if found not in walk.places)
            if outside := sorted([found.number for found in open_]):
                waits_for[ids.encode(node.number)] = ids.encode_all(outside)
    return waits_for


def _batches(names: Sequence[str], generations: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """The ids of each generation, ascending: ids sort as the numbers behind them."""
    batches: list[list[str]] = [[] for _ in range(max(generations, default=-1) + 1)]
    for name, generation in zip(names, generations, strict=True):
        batches[generation].append(name)
    for batch in batches:
        batch.sort()
    return tuple(map(tuple, batches))


def _critical_path(walk: _Walk) -> list[int]:
    """The places on the longest path, first to last."""
    path: list[int] = []
    place = walk.ends.index(max(walk.ends)) if walk.ends else -1
    while place >= 0:
        path.append(place)
        place = walk.last[place]
    return path[::-1]
