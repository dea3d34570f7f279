"""Makespans of recorded workflows, in simulated time: what an order of the tasks is worth.

The scheduler runs as it is; only its clock jumps from event to event. It is told how long each
task takes, or nothing, or nothing but has run the same workflow once before. Beside it stand the
textbook's list schedules, and the bound that none can beat.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import geometric_mean

from benchmarks.measuring import Figure, at_most, paired
from benchmarks.recorded import (
    Job,
    by_graphlib,
    by_submission,
    by_upward_rank,
    lower_bound,
    with_mean_runtimes,
    workflows,
)
from benchmarks.showing import Chart, Point, Series, Table
from benchmarks.simulated import with_true_estimates, without_and_with_learned
from benchmarks.workload import Bench

WORKERS = (2, 4, 8, 16, 32, 64)
GATED = (4, 16)  # workers

TRUE, LEARNED, NONE = (f"headrace, {what}" for what in ("true estimates", "learned", "none"))
RANK, RANK_OF_MEANS = "upward rank, true runtimes", "upward rank, mean runtimes"
GRAPHLIB, SUBMISSION = "graphlib's get_ready", "submission order"
METHODS = (RANK, TRUE, RANK_OF_MEANS, LEARNED, NONE, GRAPHLIB, SUBMISSION)
NOTE = (
    "Means are those of the tasks that ran the same program. Learned: the scheduler has run the "
    "workflow once before, and knows these means. Of each workflow there is one makespan for each "
    "method, for a simulation has no noise."
)

Makespans = Mapping[str, float]  # seconds by method
Ratios = Mapping[str, Mapping[str, float]]  # to the lower bound, by method and workflow


def figures(bench: Bench) -> Iterator[Figure | Table | Chart]:
    """Gates against upward rank, then tables and a chart against the lower bound."""
    ratios: dict[int, Ratios] = {}
    for workers in bench.pick(WORKERS, GATED):
        found = {name: _makespans(jobs, workers) for name, jobs in workflows().items()}
        if workers in GATED:
            yield from _gated(found, workers)
        bounds = {name: lower_bound(jobs, workers) for name, jobs in workflows().items()}
        ratios[workers] = {
            method: {name: found[name][method] / bounds[name] for name in found}
            for method in METHODS
        }
    yield _means(ratios)
    yield _worst(ratios)
    yield _chart(ratios)


def _makespans(jobs: Sequence[Job], workers: int) -> Makespans:
    untold, learned = without_and_with_learned(jobs, workers)
    return {
        TRUE: with_true_estimates(jobs, workers),
        LEARNED: learned,
        NONE: untold,
        RANK: by_upward_rank(jobs, workers),
        RANK_OF_MEANS: by_upward_rank(jobs, workers, with_mean_runtimes(jobs)),
        GRAPHLIB: by_graphlib(jobs, workers),
        SUBMISSION: by_submission(jobs, workers),
    }


def _gated(found: Mapping[str, Makespans], workers: int) -> Iterator[Figure]:
    """A simulation has no noise: one pair each."""
    for name, makespans in found.items():
        measure = f"makespan of {name}, {workers} workers / by upward rank"
        yield paired(measure, "s", [(makespans[TRUE], makespans[RANK])], at_most(1.02))


def _means(ratios: Mapping[int, Ratios]) -> Table:
    rows = tuple(
        (method, *(f"{_mean(found[method]):.3f}" for found in ratios.values()))
        for method in METHODS
    )
    title = "Makespan to the lower bound: geometric mean of the workflows"
    return Table("makespan-mean", title, _columns(ratios), rows, NOTE)


def _worst(ratios: Mapping[int, Ratios]) -> Table:
    rows = tuple(
        (method, *(_worst_of(found[method]) for found in ratios.values())) for method in METHODS
    )
    title = "Makespan to the lower bound: the worst workflow"
    note = "Upward rank shows how much of it is the bound's, which may be out of reach."
    return Table("makespan-worst", title, _columns(ratios), rows, note)


def _columns(ratios: Mapping[int, Ratios]) -> tuple[str, ...]:
    return "order", *(f"{workers} workers" for workers in ratios)


def _mean(by_workflow: Mapping[str, float]) -> float:
    return geometric_mean(by_workflow.values())


def _worst_of(by_workflow: Mapping[str, float]) -> str:
    name, ratio = max(by_workflow.items(), key=lambda item: item[1])
    return f"{ratio:.3f} {name}"


def _chart(ratios: Mapping[int, Ratios]) -> Chart:
    return Chart(
        "makespan",
        "Makespan of eight recorded workflows",
        "workers",
        "makespan / lower bound (geometric mean)",
        tuple(Series(method, tuple(_points(method, ratios))) for method in METHODS),
        y_scale="linear",
        base=1.0,
        note="From the best to the worst workflow.",
    )


def _points(method: str, ratios: Mapping[int, Ratios]) -> Iterator[Point]:
    for workers, found in ratios.items():
        values = found[method].values()
        yield Point(workers, _mean(found[method]), min(values), max(values))
