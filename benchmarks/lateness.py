"""How long the Trio loop is not there for others: a task that wants to wake every millisecond."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from statistics import median

import trio

from benchmarks.measuring import Figure, at_most, percentile
from benchmarks.workload import Work
from scheduler import Scheduler

PERIOD = 0.001  # seconds
ALLOWED = at_most(0.005)  # seconds by which a wake-up may come too late


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


def watched(work: Work, seen: list[Lateness]) -> Work:
    """The same work; how late others were during it is added to `seen`."""

    async def both(scheduler: Scheduler) -> float:
        lateness = Lateness()
        seen.append(lateness)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lateness.watch)
            value = await work(scheduler)
            nursery.cancel_scope.cancel()
        return value

    return both


def stalls(during: str, seen: Sequence[Lateness], idle: Lateness) -> Iterator[Figure]:
    """The p99 of some runs, and the median of their worst, beside a loop that has nothing to do.

    Only the p99 has a gate: any busy neighbour on the machine can hold up a loop once.
    """
    p99 = percentile([late for lateness in seen for late in lateness.seconds], 99)
    idle_p99 = percentile(idle.seconds, 99)
    yield Figure(f"stall, {during}: p99 / idle", "s", p99, idle_p99, gate=ALLOWED)
    worst = median(max(lateness.seconds) for lateness in seen)
    yield Figure(f"stall, {during}: worst / idle", "s", worst, max(idle.seconds))
