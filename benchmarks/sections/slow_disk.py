"""A disk that takes 5 ms for each commit: what goes through it, how it holds up the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import trio

from benchmarks import by_hand
from benchmarks.lateness import Lateness, TimedStore, stalls, watched, writing
from benchmarks.measuring import Figure, compare
from benchmarks.sections import throughput
from benchmarks.workload import Bench, Work, open_specs, run
from persistence.sqlite import open_sqlite
from scheduler import Scheduler
from tests.support.stores import SlowStore

COMMIT = 0.005  # seconds
REPETITIONS = 3


class Case(NamedTuple):
    """Work for the scheduler, and the same by hand on a new file."""

    name: str
    work: Work[float]
    by_hand: Callable[[str], float]


CASES = (
    Case(
        "enqueue_many by 1,000",
        throughput.in_batches,
        lambda path: by_hand.executemany(path, throughput.made(), throughput.BATCH, COMMIT),
    ),
    Case(
        "64 clients",
        throughput.at_once,
        lambda path: by_hand.insert_each(path, open_specs(50), COMMIT),
    ),
    Case(
        "cycles of 100",
        throughput.in_cycles,
        lambda path: by_hand.work_through(path, open_specs(20), COMMIT),
    ),
)


def figures(bench: Bench) -> Iterator[Figure]:
    """By hand on the same slow disk; stalls beside those of a loop that has nothing to do."""
    idle: list[Lateness] = []
    repetitions = bench.pick(REPETITIONS, 1)
    run(watched(_do_nothing, idle))
    for case in CASES:
        yield from _on_slow_disk(case, bench, idle[0])
    for case in CASES:
        seen: list[Lateness] = []
        timed: list[TimedStore] = []
        for _ in range(repetitions):
            timed.append(TimedStore(open_sqlite(bench.new())))
            run(watched(case.work, seen), store=timed[-1])
        yield from stalls(f"disk, {case.name}", seen, idle[0])
        yield from writing(case.name, timed)


def _on_slow_disk(case: Case, bench: Bench, idle: Lateness) -> Iterator[Figure]:
    seen: list[Lateness] = []
    yield compare(
        f"slow disk, {case.name} / by hand",
        "/s",
        lambda: run(watched(case.work, seen), store=slow_store(bench.new())),
        lambda: case.by_hand(bench.new()),
        pairs=bench.pick(REPETITIONS, 1),
    )
    yield from stalls(f"slow disk, {case.name}", seen, idle)


def slow_store(
    path: str, spikes: dict[int, float] | None = None, commit_seconds: float = COMMIT
) -> SlowStore:
    return SlowStore(open_sqlite(path), commit_seconds, spikes)


async def _do_nothing(_: Scheduler) -> float:
    await trio.sleep(1.0)
    return 0.0
