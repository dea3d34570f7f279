"""How each operation grows with the number of unfinished tasks, up to a million of them.

Each is a command handed to ingest and followed through the actors to its answer, the commit
included (`benchmarks/pipeline.py`); the file is `committed`. The sizes take turns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from statistics import median

from benchmarks.grown import CASCADE, Grown
from benchmarks.measuring import Figure, at_most, paired
from benchmarks.reporting.tables import value
from benchmarks.sections.starting import fetch_all
from benchmarks.showing import Chart, Point, Series, Table, exponent
from benchmarks.workload import Bench

SIZES, QUICK_SIZES = (1_000, 10_000, 100_000, 1_000_000), (1_000, 10_000)
TURNS, QUICK_TURNS = 5, 1
CALLS = 6  # of each kind in a turn

FAMILIES = {
    "one task": ("enqueue 1", "resolve, 1 dependent", "change a priority", "claim 1"),
    "completions and cancellations": (
        "complete, 1 dependent",
        "complete, 10 dependents",
        "complete, 100 dependents",
        f"cancel a chain of {CASCADE}",
    ),
    "questions": ("list a page of 50", "queue status"),
    "whole queue": ("execution plan", "recovery"),
}

Points = dict[str, list[Point]]


def figures(bench: Bench) -> Iterator[Figure | Table | Chart]:
    """A file of each size is made once, and everything is measured on it."""
    turns = bench.pick(TURNS, QUICK_TURNS)
    with ExitStack() as stack:
        files = [
            stack.enter_context(closing(Grown(bench.new(), size)))
            for size in bench.pick(SIZES, QUICK_SIZES)
        ]
        pairs = [_recover(files)]
        measured = [_turn(files) for _ in range(turns)]
        pairs.append(_recover(files))
    yield _restart(files[-1].size, [turn[-1] for turn in pairs])
    measured += [{"recovery": [seconds for seconds, _ in turn]} for turn in pairs]
    points = _points([file.size for file in files], measured)
    yield _table(points)
    for family, names in FAMILIES.items():
        yield _chart(family, names, points)


def _recover(files: Sequence[Grown]) -> list[tuple[float, float]]:
    """For each file the seconds of a recovery, and those of reading its rows."""
    return [(file.recover(), fetch_all(file.path)) for file in files]


def _turn(files: Sequence[Grown]) -> dict[str, list[float]]:
    """By operation the seconds in each file: the medians of some calls."""
    found: dict[str, list[float]] = defaultdict(list)
    for file in files:
        calls: dict[str, list[float]] = defaultdict(list)
        for _ in range(CALLS):
            for name, seconds in file.calls():
                calls[name].append(seconds)
        calls["execution plan"].append(file.plan())
        for name, values in calls.items():
            found[name].append(median(values))
    return found


def _points(sizes: Sequence[int], turns: Sequence[dict[str, list[float]]]) -> Points:
    """The median over the turns, with the lowest and the highest of them."""
    points: Points = {}
    for name in (name for names in FAMILIES.values() for name in names):
        of_turns = [turn[name] for turn in turns if name in turn]
        points[name] = [
            Point(size, median(values), min(values), max(values))
            for size, values in zip(sizes, zip(*of_turns, strict=True), strict=True)
        ]
    return points


def _restart(size: int, pairs: Sequence[tuple[float, float]]) -> Figure:
    return paired(
        f"recover {size:,} unfinished tasks / fetchall", "s", pairs, at_most(6), at_most(3)
    )


def _table(points: Points) -> Table:
    sizes = [f"{point.x:,.0f} tasks" for point in next(iter(points.values()))]
    rows = tuple(
        (name, *(value(point.y, "s") for point in found), f"{exponent(found):z.2f}")
        for name, found in points.items()
    )
    title = "How operations grow with the queue (medians), and the exponent of the growth"
    return Table(
        "growth", title, ("operation", *sizes, "exponent"), rows, "0: not at all; 1: as it."
    )


def _chart(family: str, names: Sequence[str], points: Points) -> Chart:
    lines = tuple(
        Series(f"{name} (n^{exponent(points[name]):z.2f})", tuple(points[name])) for name in names
    )
    return Chart(
        f"growth-{family.replace(' ', '-')}", f"Growth: {family}", "tasks", "seconds", lines
    )
