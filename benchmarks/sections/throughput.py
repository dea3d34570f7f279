"""Tasks a second through the whole scheduler, each answer as safe as the file makes it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cache

import trio

from benchmarks import by_hand
from benchmarks.measuring import Figure, at_least, compare
from benchmarks.workload import Bench, linked_specs, open_specs, run
from scheduler import Scheduler, Task, TaskSpec

BATCH = 1_000
CLIENTS = 64
CYCLE = 100


async def in_batches(scheduler: Scheduler, tasks: int = 10_000) -> float:
    """enqueue_many of 1,000 tasks, one batch after the other."""
    batches = [linked_specs(BATCH) for _ in range(tasks // BATCH)]
    began = time.perf_counter()
    for batch in batches:
        await scheduler.enqueue_many(batch)
    return tasks / (time.perf_counter() - began)


async def at_once(scheduler: Scheduler, tasks: int = 2_560) -> float:
    """64 clients, each enqueues one task after the other."""
    specs = open_specs(tasks)
    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for client in range(CLIENTS):
            nursery.start_soon(_enqueue_each, scheduler, specs[client::CLIENTS])
    return tasks / (time.perf_counter() - began)


async def alone(scheduler: Scheduler, tasks: int = 500) -> float:
    """One client enqueues one task after the other."""
    specs = open_specs(tasks)
    began = time.perf_counter()
    await _enqueue_each(scheduler, specs)
    return tasks / (time.perf_counter() - began)


async def _enqueue_each(scheduler: Scheduler, specs: Sequence[TaskSpec]) -> None:
    for spec in specs:
        await scheduler.enqueue(spec)


async def in_cycles(scheduler: Scheduler, tasks: int = 3_000) -> float:
    """enqueue_many, claim and complete_many of 100 tasks, one after the other."""
    batches = [open_specs(CYCLE) for _ in range(tasks // CYCLE)]
    began = time.perf_counter()
    for batch in batches:
        await scheduler.enqueue_many(batch)
        claims = await scheduler.claim("worker", limit=CYCLE)
        await scheduler.complete_many((claim, {"ok": True}) for claim in claims)
    return tasks / (time.perf_counter() - began)


def figures(bench: Bench) -> Iterator[Figure]:
    """Against SQLite by hand, on the same disk in turn with it."""
    yield compare(
        "enqueue_many, batches of 1,000 / executemany",
        "/s",
        lambda: run(in_batches, bench.new()),
        lambda: by_hand.executemany(bench.new(), made(), BATCH),
        at_least(0.45),
        pairs=bench.pairs,
        goal=at_least(0.8),
    )
    yield compare(
        "enqueue, 64 clients / one INSERT a commit",
        "/s",
        lambda: run(at_once, bench.new()),
        lambda: by_hand.insert_each(bench.new(), open_specs(500)),
        at_least(6),
        pairs=bench.pairs,
        goal=at_least(11),
    )
    yield compare(
        "enqueue, 1 client / one INSERT a commit",
        "/s",
        lambda: run(alone, bench.new()),
        lambda: by_hand.insert_each(bench.new(), open_specs(500)),
        at_least(0.5),
        pairs=bench.pairs,
        goal=at_least(0.8),
    )
    yield compare(
        "enqueue, claim, complete by 100 / by hand, by 1",
        "/s",
        lambda: run(in_cycles, bench.new()),
        lambda: by_hand.work_through(bench.new(), open_specs(300)),
        at_least(5),
        pairs=bench.pairs,
    )


@cache
def made(count: int = 10_000) -> list[Task]:
    """What the scheduler makes of the linked specs, batch by batch."""

    async def enqueue(scheduler: Scheduler) -> list[Task]:
        tasks: list[Task] = []
        for _ in range(count // BATCH):
            tasks += await scheduler.enqueue_many(linked_specs(BATCH))
        return tasks

    return run(enqueue)
