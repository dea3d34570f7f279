"""What must hold on any machine, in absolute terms."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.measuring import Figure, at_least, at_most, repeated
from benchmarks.sections import handlers, throughput
from benchmarks.workload import Bench, run


def figures(bench: Bench) -> Iterator[Figure]:
    """Medians, each against the promise."""
    yield repeated(
        "promise: enqueues on a file, 64 clients",
        "/s",
        lambda: run(throughput.at_once, bench.new()),
        at_least(1_000),
        times=bench.pairs,
    )
    for dependents in (1, 100):
        yield repeated(
            f"promise: complete until {dependents} dependent(s) can be claimed",
            "s",
            partial(handlers.release, 2_000 // dependents, dependents),
            at_most(0.010),
            times=bench.pairs,
        )
    yield repeated("promise: one priority", "s", handlers.score, at_most(0.005), times=bench.pairs)
