"""How unfinished tasks can run: which at the same time, and how long it takes at least.

A. B. Kahn's generations ("Topological sorting of large networks", CACM 5, 1962) and the longest
path come out of one walk in the topological order that the graph keeps anyway.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Sequence
from math import fsum
from typing import NamedTuple

from msgspec.structs import replace

from scheduler.domain import ids
from scheduler.domain.graph import Graph
from scheduler.domain.node import Node
from scheduler.domain.ordering import by_order
from scheduler.domain.priority import Weights
from scheduler.domain.simulation import makespan
from scheduler.domain.views import Plan, encode_all

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
    names = encode_all(node.number for node in nodes)
    batches = _batches(names, walk.generations)
    path_seconds = max(walk.ends, default=0.0)
    total = fsum(node.estimate for node in nodes)
    plan = Plan(
        batches=batches,
        max_parallelism=max(map(len, batches), default=0),
        critical_path=tuple(names[place] for place in _critical_path(walk)),
        critical_path_seconds=path_seconds,
        total_seconds=total,
        waits_for=walk.waits_for,
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

    generations: list[int]
    ends: list[float]  # seconds after the start, with workers for all
    last: list[int]  # the prerequisite that ends last, or -1
    waits_for: dict[str, tuple[str, ...]]


def _walk(nodes: Sequence[Node]) -> _Walk:
    places = {node: place for place, node in enumerate(nodes)}
    place_of = places.get
    generations = [0] * len(nodes)
    ends = [node.estimate for node in nodes]
    last = [-1] * len(nodes)
    cut: list[Node] = []
    for place, node in enumerate(nodes):
        generation, start, complete = 0, 0.0, True
        for prerequisite in node.prerequisites:
            before = place_of(prerequisite)
            if before is None:
                complete = False
                continue
            if (found := generations[before]) >= generation:
                generation = found + 1
            if (end := ends[before]) >= start:
                start = end
                last[place] = before
        generations[place] = generation
        ends[place] += start
        if not complete:
            cut.append(node)
    return _Walk(generations, ends, last, _waits_for(cut, places))


def _waits_for(nodes: Iterable[Node], inside: Container[Node]) -> dict[str, tuple[str, ...]]:
    waits_for: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        outside = [found.number for found in node.open_prerequisites() if found not in inside]
        if outside:
            waits_for[ids.encode(node.number)] = encode_all(sorted(outside))
    return waits_for


def _batches(names: Sequence[str], generations: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """The ids of each generation, ascending: ids sort as the numbers behind them."""
    batches: list[list[str]] = [[] for _ in range(max(generations, default=-1) + 1)]
    for name, generation in zip(names, generations, strict=True):
        batches[generation].append(name)
    return tuple(tuple(sorted(batch)) for batch in batches)


def _critical_path(walk: _Walk) -> list[int]:
    """The places on the longest path, first to last."""
    path: list[int] = []
    place = max(range(len(walk.ends)), key=walk.ends.__getitem__, default=-1)
    while place >= 0:
        path.append(place)
        place = walk.last[place]
    return path[::-1]
