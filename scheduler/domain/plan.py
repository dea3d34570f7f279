"""How unfinished tasks can run: which at the same time, and how long it takes at least.

A. B. Kahn's generations ("Topological sorting of large networks", CACM 5, 1962) and the longest
path come out of one walk in the topological order that the graph keeps anyway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from math import fsum
from typing import NamedTuple, TypeVar, overload

from msgspec.structs import replace

from scheduler.domain import ids
from scheduler.domain.graph import Graph
from scheduler.domain.node import Node
from scheduler.domain.ordering import by_order
from scheduler.domain.priority import Weights
from scheduler.domain.simulation import makespan
from scheduler.domain.views import Plan

DEFAULT_WEIGHTS = Weights()
DENSE = 4  # so many places of the order for each node are a list, more are a dict

T = TypeVar("T")


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
    estimates = [node.estimate for node in nodes]
    walk = _walk(nodes, estimates)
    total = fsum(estimates)
    plan = Plan(
        batches=Batches(walk.generations),
        max_parallelism=max(map(len, walk.generations), default=0),
        critical_path=ids.encode_all(walk.path),
        critical_path_seconds=walk.seconds,
        total_seconds=total,
        waits_for=_waits_for(walk.cut, nodes),
    )
    if workers is None:
        return plan
    return replace(
        plan,
        workers=workers,
        makespan_seconds=makespan(nodes, workers, now, weights),
        lower_bound_seconds=max(walk.seconds, total / workers),
    )


class Batches(Sequence[tuple[str, ...]]):
    """Batches of ids that are held as numbers: to write 100,000 ids takes as long as to plan.

    >>> Batches([[1], [2, 3]])[1]
    ('0000000000002', '0000000000003')
    """

    def __init__(self, numbers: Sequence[Sequence[int]]) -> None:
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> tuple[str, ...]: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[tuple[str, ...], ...]: ...

    def __getitem__(self, place: int | slice) -> tuple[str, ...] | tuple[tuple[str, ...], ...]:
        if isinstance(place, slice):
            return tuple(map(ids.encode_all, self._numbers[place]))
        return ids.encode_all(self._numbers[place])

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return map(ids.encode_all, self._numbers)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Batches):
            return self._numbers == other._numbers
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


def _chosen(graph: Graph, numbers: Collection[int] | None) -> list[Node]:
    """The nodes in topological order, each once."""
    if numbers is None:
        return sorted(graph.nodes.values(), key=by_order)
    return sorted((graph.nodes[number] for number in set(numbers)), key=by_order)


class _Walk(NamedTuple):
    """`generations` hold numbers, ascending: so do their ids. `path`: the critical one.

    `cut`: nodes that have prerequisites outside the plan, or that are met.
    """

    generations: list[list[int]]
    path: list[int]
    seconds: float
    cut: list[Node]


def _walk(nodes: Sequence[Node], estimates: Sequence[float]) -> _Walk:
    """One look at each node: they lie all over memory, and a look costs 0.1 us."""
    first = nodes[0].order if nodes else 0
    generation_of, end_of = _table(nodes, -1), _table(nodes, 0.0)
    last_of: Table[Node | None] = _table(nodes, None)  # the prerequisite that ends last
    generations: list[list[int]] = []
    cut: list[Node] = []
    latest, longest = None, -1.0
    for node, end in zip(nodes, estimates, strict=True):
        place = node.order - first
        generation = 0
        if node.waiting:
            start = 0.0
            for prerequisite in node.prerequisites:
                before = prerequisite.order - first
                found = generation_of[before] if prerequisite.alive and before >= 0 else -1
                if found >= generation:
                    generation = found + 1
                elif found < 0:
                    cut.append(node)
                    continue
                before_ends = end_of[before]
                if before_ends >= start:
                    start = before_ends
                    last_of[place] = prerequisite
            end += start
        if generation == len(generations):
            generations.append([])
        generations[generation].append(node.number)
        generation_of[place] = generation
        end_of[place] = end
        if end > longest:
            latest, longest = node, end
    for numbers in generations:
        numbers.sort()
    path: list[int] = []
    while latest is not None:
        path.append(latest.number)
        latest = last_of[latest.order - first]
    return _Walk(generations, path[::-1], max(longest, 0.0), cut)


Table = list[T] | defaultdict[int, T]


def _table(nodes: Sequence[Node], absent: T) -> Table[T]:
    """A value for each place in the order of the graph, from that of the first node on."""
    span = nodes[-1].order - nodes[0].order + 1 if nodes else 0
    if span <= DENSE * len(nodes):
        return [absent] * span
    return defaultdict(lambda: absent)


def _waits_for(cut: Sequence[Node], nodes: Sequence[Node]) -> dict[str, tuple[str, ...]]:
    chosen = set(nodes) if cut else set()
    waits_for: dict[str, tuple[str, ...]] = {}
    for node in dict.fromkeys(cut):
        open_ = (found for found in node.open_prerequisites() if found not in chosen)
        if outside := sorted([found.number for found in open_]):
            waits_for[ids.encode(node.number)] = ids.encode_all(outside)
    return waits_for
