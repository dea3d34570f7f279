"""An execution plan of 100,000 tasks, against what only sorts them: graphlib."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from graphlib import TopologicalSorter

from msgspec.structs import replace

from actors.collecting import no_collection
from benchmarks.measuring import Figure, at_most, compare
from benchmarks.workload import Bench
from scheduler import Task
from scheduler.domain.admission import make_task
from scheduler.domain.graph import Graph
from scheduler.domain.plan import execution_plan
from scheduler.domain.request import checked
from scheduler.domain.spec import TaskSpec

TASKS = 100_000
REACH = 1_000
REQUEST = checked(TaskSpec("Take a step"))


def chains(count: int) -> list[Task]:
    """Tasks in chains of ten."""
    return [_task(n, [n - 1] if (n - 1) % 10 else []) for n in range(1, count + 1)]


def web(count: int) -> list[Task]:
    """Tasks that each wait for up to two of the thousand before them, chosen at random."""
    pick = random.Random(count).randrange
    return [
        _task(n, {pick(max(1, n - REACH), n) for _ in range(2 * (n > 1))})
        for n in range(1, count + 1)
    ]


def _task(number: int, prerequisites: Iterable[int]) -> Task:
    return replace(make_task(REQUEST, number, (), None, 1.0), requires=tuple(prerequisites))


def figures(bench: Bench) -> Iterator[Figure]:
    """Both sort the same graph; ours as the resolver does it, with the collector at rest."""
    count = bench.pick(TASKS, TASKS // 10)
    for name, shape in (("chains of ten", chains), ("random pairs", web)):
        tasks = shape(count)
        graph = Graph()
        graph.admit(tasks)
        edges = {task.number: task.requires for task in tasks}
        yield compare(
            f"plan of {count:,} tasks, {name} / graphlib",
            "s",
            partial(_plan, graph),
            partial(_sort, edges),
            at_most(0.25),
            pairs=bench.pairs,
            goal=at_most(0.125),
        )
        yield compare(
            f"the same, {name}, and every id read as text / graphlib",
            "s",
            partial(_plan_and_read, graph),
            partial(_sort, edges),
            at_most(0.55),
            pairs=bench.pairs,
        )


def _plan(graph: Graph) -> float:
    with no_collection():
        began = time.perf_counter()
        plan = execution_plan(graph)
        seconds = time.perf_counter() - began
    assert sum(map(len, plan.batches)) == len(graph)
    return seconds


def _plan_and_read(graph: Graph) -> float:
    with no_collection():
        began = time.perf_counter()
        ids = [task_id for batch in execution_plan(graph).batches for task_id in batch]
        seconds = time.perf_counter() - began
    assert len(set(ids)) == len(graph)
    return seconds


def _sort(edges: Mapping[int, Sequence[int]]) -> float:
    batches: list[tuple[int, ...]] = []
    began = time.perf_counter()
    sorter = TopologicalSorter(edges)
    sorter.prepare()
    while sorter.is_active():
        batches.append(sorter.get_ready())
        sorter.done(*batches[-1])
    seconds = time.perf_counter() - began
    assert sum(map(len, batches)) == len(edges)
    return seconds
