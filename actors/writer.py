"""The writer: the persister's hand for work on the store that would hold up the loop.

It takes one job at a time and owns the store until it has reported back. Rows are written on
the loop's thread in slices with a checkpoint between them; only what waits for the disk goes
to a thread. While it is out, the loop sleeps 50 us twice a millisecond: a loop that is never
idle does not let go of the GIL for long enough, and starves the thread (docs/durability.md).
A store that is unavailable is reported, and tried again; one that is corrupt cannot heal, and
ends the scheduler.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import outcome
import trio

from actors import messages as m
from persistence.store import Batch, Pruned, Store
from scheduler.domain.errors import StoreUnavailable

T = TypeVar("T")

PRUNED_A_STEP = 500
LETTING_GO_EVERY = 0.0005  # seconds
LETTING_GO_FOR = 0.00005  # seconds


class Place(Protocol):
    """Where blocking work is done."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


async def at_once(work: Callable[[], T]) -> T:
    """Run blocking work here and now."""
    return work()


class Writer:
    """See the module. `timer` measures commits in seconds; `place` is where it waits for them."""

    def __init__(
        self,
        store: Store,
        timer: Callable[[], float],
        first_number_at: Callable[[float], int],
        place: Place | None = None,
    ) -> None:
        self._store = store
        self._timer = timer
        self._first_number_at = first_number_at
        self._place: Place = place or in_thread

    async def work(self, job: m.WriterMessage) -> m.Report:
        """Do one job; the report to the persister."""
        match job:
            case m.Write(batch):
                return await self._write(batch)
            case m.Checkpoint():
                await self._tidy(self._store.checkpoint)
                return m.Checkpointed()
            case m.Prune():
                return m.PruneEnded(await self._tidy(lambda: self._prune(job)))

    async def _write(self, batch: Batch) -> m.Written | m.WriteFailed:
        try:
            for _ in self._store.write(batch):
                await trio.lowlevel.checkpoint()
            seconds = await self._place(self._commit)
        except StoreUnavailable as error:
            self._store.rollback()
            return m.WriteFailed(batch, error)
        return m.Written(batch, seconds)

    def _commit(self) -> float:
        before = self._timer()
        self._store.commit()
        return self._timer() - before

    async def _tidy(self, work: Callable[[], T]) -> T | None:
        try:
            return await self._place(work)
        except StoreUnavailable:
            return None  # tidying can wait; the next commit will meet the trouble again

    def _prune(self, job: m.Prune) -> Pruned:
        created_before = self._first_number_at(job.finished_before)
        return self._store.prune(created_before, job.finished_before, job.after, PRUNED_A_STEP)


async def in_thread(work: Callable[[], T]) -> T:
    """Run blocking work in a thread that a busy loop cannot starve."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_let_go)
        result = await outcome.acapture(trio.to_thread.run_sync, work)
        nursery.cancel_scope.cancel()
    return result.unwrap()  # outside, so that an error is not wrapped in a group


@trio.lowlevel.enable_ki_protection  # as the loop that waits for the thread
async def _let_go() -> None:
    while True:
        await trio.sleep(LETTING_GO_EVERY)
        time.sleep(LETTING_GO_FOR)  # noqa: ASYNC251 - the point: the thread gets the GIL
