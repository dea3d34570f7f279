"""How unfinished tasks can run: which at the same time, and how long it takes at least.

A. B. Kahn's generations ("Topological sorting of large networks", CACM 5, 1962) and the longest
path come out of one walk in the topological order that the graph keeps anyway.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
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
    batches = _batches(nodes, walk.generations)
    path = _critical_path(walk)
    path_seconds = max(walk.ends, default=0.0)
    total = fsum(node.estimate for node in nodes)
    plan = Plan(
        batches=batches,
        max_parallelism=max(map(len, batches), default=0),
        critical_path=encode_all(nodes[place].number for place in path),
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
    generations = [0] * len(nodes)
    ends = [node.estimate for node in nodes]
    last = [-1] * len(nodes)
    waits_for: dict[str, tuple[str, ...]] = {}
    for place, node in enumerate(nodes):
        if not node.waiting:
            continue
        outside: list[int] = []
        generation, start = 0, 0.0
        for prerequisite in node.prerequisites:
            if not prerequisite.alive:
                continue
            before = places.get(prerequisite)
            if before is None:
                outside.append(prerequisite.number)
                continue
            if generations[before] >= generation:
                generation = generations[before] + 1
            if ends[before] >= start:
                start = ends[before]
                last[place] = before
        generations[place] = generation
        ends[place] += start
        if outside:
            waits_for[ids.encode(node.number)] = encode_all(sorted(outside))
    return _Walk(generations, ends, last, waits_for)


def _batches(nodes: Iterable[Node], generations: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    batches: list[list[int]] = [[] for _ in range(max(generations, default=-1) + 1)]
    for node, generation in zip(nodes, generations, strict=True):
        batches[generation].append(node.number)
    return tuple(encode_all(sorted(batch)) for batch in batches)


def _critical_path(walk: _Walk) -> list[int]:
    """The places on the longest path, first to last."""
    path: list[int] = []
    place = max(range(len(walk.ends)), key=walk.ends.__getitem__, default=-1)
    while place >= 0:
        path.append(place)
        place = walk.last[place]
    return path[::-1]
