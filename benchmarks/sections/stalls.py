"""What writing adds to the longest stall of the loop, on a fast disk and on a slow one.

The reference is the same work with a store in memory. A task on the same loop wants to wake every
millisecond; a stall is by how much it comes too late.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.lateness import Lateness, watched
from benchmarks.measuring import Figure, Gate, at_most, once
from benchmarks.sections.slow_disk import slow_store
from benchmarks.sections.throughput import at_once, in_batches, in_cycles
from benchmarks.workload import Bench, Work, run

FSYNC = 0.010  # seconds that each commit takes longer on the slow disk
WORK: dict[str, Work[float]] = {
    "64 clients": at_once,
    "cycles of 100": in_cycles,
    "batches of 1,000": in_batches,
}


def figures(bench: Bench) -> Iterator[Figure]:
    """The longest stall of a run, median of some, less that of the same run in memory."""
    repetitions = bench.pick(5, 1)
    for name, work in WORK.items():
        memory, fast, slow = [], [], []
        for _ in range(repetitions):
            memory.append(_longest(work))
            fast.append(_longest(work, bench.new()))
            slow.append(_longest(work, bench.new(), FSYNC))
        yield _added(f"stall that writing adds, {name}", fast, memory, at_most(0.005))
        yield _added(
            f"stall that writing adds, {name}, commits + 10 ms", slow, memory, at_most(0.015)
        )


def _longest(work: Work[float], path: str = ":memory:", commit_seconds: float = 0.0) -> float:
    seen: list[Lateness] = []
    store = slow_store(path, commit_seconds=commit_seconds) if commit_seconds else None
    once(lambda: run(watched(work, seen), path, store))
    return max(seen[0].seconds)


def _added(measure: str, ours: list[float], memory: list[float], gate: Gate) -> Figure:
    values = tuple(long - short for long, short in zip(ours, memory, strict=True))
    return Figure(measure, "s", median(values), gate=gate, values=values)
