"""The product: the actors, opened as a program opens them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from benchmarks.models.model import LEASE, MAX_UNSAVED, RESULT, Disk
from persistence.store import Durability
from scheduler import Claim, Ended, Scheduler, Task, TaskSpec, open_scheduler


class Pipelined:
    """Implements `Model` with a scheduler."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    async def enqueue(self, specs: Sequence[TaskSpec]) -> list[Task]:
        if len(specs) == 1:
            return [await self._scheduler.enqueue(specs[0])]
        return await self._scheduler.enqueue_many(specs)

    async def claim(self, holder: str, limit: int) -> list[Claim]:
        return await self._scheduler.claim(holder, limit=limit, lease=LEASE)

    async def complete(self, claims: Sequence[Claim]) -> list[Task]:
        if len(claims) == 1:
            return [(await self._scheduler.complete(claims[0], RESULT)).task]
        outcomes = await self._scheduler.complete_many((claim, RESULT) for claim in claims)
        return [_task(outcome) for outcome in outcomes]

    async def flush(self) -> None:
        await self._scheduler.flush()

    def close(self) -> None:
        """Nothing to do: a call can be cancelled, and the block's end closes the scheduler."""


def _task(outcome: Ended | Exception) -> Task:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome.task


@asynccontextmanager
async def opened(path: str, durability: Durability, disk: Disk) -> AsyncIterator[Pipelined]:
    """The model on a new file; everything is saved at the end."""
    store = disk.open(path, durability)
    async with open_scheduler(
        path, durability=durability, max_unsaved=MAX_UNSAVED, store=store
    ) as scheduler:
        yield Pipelined(scheduler)
