"""Whether the cost of a task grows with the size of its graph: chains and fan-outs in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import NamedTuple

import trio

from benchmarks.measuring import Figure, at_most, paired
from benchmarks.workload import Bench
from scheduler import Task, TaskSpec, open_scheduler

SMALL, LARGE = 10_000, 100_000
PAIRS = 3  # the graphs are large enough to go by fewer
SMALL_GRAPHS = 3
BATCH = 10_000

Waits = Callable[[Sequence[TaskSpec], Sequence[Task]], Sequence[TaskSpec | Task]]


class Seconds(NamedTuple):
    """What one graph took."""

    enqueue: float
    plan: float
    cancel: float


def chain(batch: Sequence[TaskSpec], made: Sequence[Task]) -> Sequence[TaskSpec | Task]:
    """Each task waits for the one before it."""
    return batch[-1:] or made[-1:]


def fan_out(batch: Sequence[TaskSpec], made: Sequence[Task]) -> Sequence[TaskSpec | Task]:
    """All tasks wait for the first one."""
    return made[:1] or batch[:1]


def measure(size: int, waits: Waits) -> Seconds:
    """Enqueue a graph batch by batch, plan it, and cancel it by its root."""

    async def main() -> Seconds:
        async with open_scheduler() as scheduler:
            ends: list[Task] = []  # the first and the last task
            enqueuing = 0.0
            step = min(BATCH, size)
            for _ in range(size // step):
                batch: list[TaskSpec] = []
                for _ in range(step):
                    batch.append(TaskSpec("Take a step", prerequisites=waits(batch, ends)))
                began = time.perf_counter()
                made = await scheduler.enqueue_many(batch)
                enqueuing += time.perf_counter() - began
                ends = [(ends or made)[0], made[-1]]
            began = time.perf_counter()
            plan = await scheduler.execution_plan()
            planned = time.perf_counter()
            cancellation = await scheduler.cancel(ends[0])
            ended = time.perf_counter()
            assert sum(map(len, plan.batches)) == cancellation.total_cancelled == size
            return Seconds(enqueuing, planned - began, ended - planned)

    return trio.run(main)


def typical(size: int, waits: Waits) -> Seconds:
    """The medians of some graphs; one that is small takes too little time to go by it."""
    graphs = [measure(size, waits) for _ in range(SMALL_GRAPHS)]
    return Seconds(*map(median, zip(*graphs, strict=True)))


def figures(bench: Bench) -> Iterator[Figure]:
    """Graphs ten times as large as others."""
    small, large = bench.pick((SMALL, LARGE), (SMALL // 10, LARGE // 10))
    for name, waits in (("chain", chain), ("fan-out", fan_out)):
        turns = range(bench.pick(PAIRS, 1))
        pairs = [(measure(large, waits), typical(small, waits)) for _ in turns]
        for stage, step in enumerate(Seconds._fields):
            values = [(of_large[stage], of_small[stage]) for of_large, of_small in pairs]
            measured = f"{name} of {large:,}, {step} / of {small:,}"
            yield paired(measured, "s", values, at_most(15))
