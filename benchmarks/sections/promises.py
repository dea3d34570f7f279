"""What must hold on any machine, in absolute terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

from benchmarks.measuring import PAIRS, Figure, Gate, Unit, at_least, at_most, once
from benchmarks.sections import handlers, throughput
from benchmarks.workload import Bench, run


def figures(bench: Bench) -> Iterator[Figure]:
    """Medians, each against the promise."""
    yield _promise(
        "promise: enqueues on a file, 64 clients",
        "/s",
        lambda: run(throughput.at_once, bench.new()),
        at_least(1_000),
    )
    for dependents in (1, 100):
        yield _promise(
            f"promise: complete until {dependents} dependents are ready",
            "s",
            partial(handlers.release, 2_000 // dependents, dependents),
            at_most(0.010),
        )
    yield _promise("promise: one priority", "s", handlers.score, at_most(0.005))


def _promise(measure: str, unit: Unit, side: Callable[[], float], gate: Gate) -> Figure:
    return Figure(measure, unit, median(once(side) for _ in range(PAIRS)), gate=gate)
