"""Ours, at one level of durability: one caller that waits for each answer, or many at a time."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import trio

from benchmarks.peers.peer import ALL, LAST_COMMITS_LOST, RESULT, Survival, batches
from benchmarks.workload import Bench, open_specs
from persistence.store import Durability
from scheduler import Scheduler, TaskSpec, open_scheduler

CLIENTS = 64
CYCLE = 100  # tasks of one step, where many are taken at a time

UNSAVED_LOST = "all but the unsaved"  # up to `max_unsaved`, 2,000
SURVIVES: dict[Durability, tuple[str, str]] = {
    "synced": (ALL, ALL),
    "committed": (ALL, LAST_COMMITS_LOST),
    "accepted": (UNSAVED_LOST, UNSAVED_LOST),
}

Work = Callable[[Scheduler, Sequence[TaskSpec]], Awaitable[None]]


class HeadracePeer:
    """One caller enqueues, claims and completes one task after the other; or, with `many`, 64
    clients enqueue, and a cycle takes three calls for 100 tasks.
    """

    def __init__(self, bench: Bench, durability: Durability, many: bool) -> None:
        self._bench = bench
        self._durability: Durability = durability
        self._many = many
        self.survival = Survival(*SURVIVES[durability], "back when its lease ends")

    def enqueue_single(self, count: int) -> float:
        return self._rate(count, _at_once if self._many else _one_by_one)

    def enqueue_bulk(self, count: int) -> float | None:
        return None if self._many else self._rate(count, _in_bulk)

    def cycle(self, count: int) -> float:
        return self._rate(count, _cycles_of_many if self._many else _cycles_of_one)

    def _rate(self, count: int, work: Work) -> float:
        specs = open_specs(count)

        async def main() -> float:
            path = self._bench.new()
            async with open_scheduler(path, durability=self._durability) as scheduler:
                began = time.perf_counter()
                await work(scheduler, specs)
                return count / (time.perf_counter() - began)

        return trio.run(main)


async def _one_by_one(scheduler: Scheduler, specs: Sequence[TaskSpec]) -> None:
    for spec in specs:
        await scheduler.enqueue(spec)


async def _at_once(scheduler: Scheduler, specs: Sequence[TaskSpec]) -> None:
    async with trio.open_nursery() as nursery:
        for client in range(CLIENTS):
            nursery.start_soon(_one_by_one, scheduler, specs[client::CLIENTS])


async def _in_bulk(scheduler: Scheduler, specs: Sequence[TaskSpec]) -> None:
    for batch in batches(specs):
        await scheduler.enqueue_many(batch)


async def _cycles_of_one(scheduler: Scheduler, specs: Sequence[TaskSpec]) -> None:
    for spec in specs:
        await scheduler.enqueue(spec)
        (claim,) = await scheduler.claim("worker")
        await scheduler.complete(claim, RESULT)


async def _cycles_of_many(scheduler: Scheduler, specs: Sequence[TaskSpec]) -> None:
    for batch in batches(specs, CYCLE):
        await scheduler.enqueue_many(batch)
        claims = await scheduler.claim("worker", limit=CYCLE)
        await scheduler.complete_many((claim, RESULT) for claim in claims)


@contextmanager
def opened(bench: Bench, durability: Durability, many: bool) -> Iterator[HeadracePeer]:
    yield HeadracePeer(bench, durability, many)
