"""How long the Trio loop is not there for others: a task that wants to wake every millisecond."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import TypeVar

import trio

from benchmarks.measuring import Figure, at_most, percentile
from benchmarks.workload import Work
from persistence.store import Batch, Store
from scheduler import Scheduler
from tests.support.stores import WrappedStore

T = TypeVar("T")
PERIOD = 0.001  # seconds
ALLOWED = at_most(0.005)  # seconds that writing may hold up the loop


class Lateness:
    """`seconds`: by how much each wake-up came too late."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def watch(self) -> None:
        """Look on until cancelled."""
        while True:
            due = time.perf_counter() + PERIOD
            await trio.sleep(PERIOD)
            self.seconds.append(time.perf_counter() - due)


def watched(work: Work[T], seen: list[Lateness]) -> Work[T]:
    """The same work; how late others were during it is added to `seen`."""

    async def both(scheduler: Scheduler) -> T:
        lateness = Lateness()
        seen.append(lateness)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lateness.watch)
            value = await work(scheduler)
            nursery.cancel_scope.cancel()
        return value

    return both


def stalls(during: str, seen: Sequence[Lateness], idle: Lateness) -> Iterator[Figure]:
    """The p99 of some runs, and the median of their worst, beside a loop that has nothing to do."""
    p99 = percentile([late for lateness in seen for late in lateness.seconds], 99)
    idle_p99 = percentile(idle.seconds, 99)
    yield Figure(f"stall, {during}: p99 / idle", "s", p99, idle_p99)
    worst = median(max(lateness.seconds) for lateness in seen)
    yield Figure(f"stall, {during}: worst / idle", "s", worst, max(idle.seconds))


class TimedStore(WrappedStore):
    """Notes how long each step of writing holds up the thread that made it, the loop's.

    A step is a slice of rows, or a commit that is not made in a thread of its own.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.steps: list[float] = []
        self._loop = threading.get_ident()

    def write(self, batch: Batch) -> Iterator[None]:
        slices = super().write(batch)
        began = time.perf_counter()
        for _ in slices:
            self.steps.append(time.perf_counter() - began)
            yield
            began = time.perf_counter()

    def commit(self) -> None:
        began = time.perf_counter()
        super().commit()
        if threading.get_ident() == self._loop:
            self.steps.append(time.perf_counter() - began)


def writing(during: str, seen: Sequence[TimedStore]) -> Iterator[Figure]:
    """The p99 over all steps; any busy neighbor can hold up a single one."""
    longest = percentile([seconds for store in seen for seconds in store.steps], 99)
    yield Figure(f"writing, {during}: p99 of its steps on the loop", "s", longest, gate=ALLOWED)
