"""How each operation grows with the number of unfinished tasks, up to a million of them.

Each is a command handed to ingest and followed through the actors to its answer, the commit to
the file included (`benchmarks/pipeline.py`).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from statistics import median
from typing import Any

from msgspec.structs import replace

from actors import commands as c
from actors.collecting import no_collection
from actors.reply import Reply
from benchmarks.measuring import Figure, at_most, paired
from benchmarks.pipeline import Pipeline, enqueue
from benchmarks.reporting.tables import value
from benchmarks.sections.starting import fetch_all
from benchmarks.showing import Chart, Point, Series, Table, exponent
from benchmarks.workload import Bench, linked_specs, spec
from persistence.sqlite import open_sqlite
from persistence.store import Filter
from scheduler import TaskSpec

SIZES, QUICK_SIZES = (1_000, 10_000, 100_000, 1_000_000), (1_000, 10_000)
BATCH = 1_000
ROUNDS = 50
CHAIN = 100  # tasks that a cancelled one takes with it
OWN_LANE = "measured"  # the agent type of tasks that are claimed before all others

FAMILIES = {
    "commands": (
        "enqueue 1",
        "claim 1",
        "complete, 1 dependent",
        "complete, 10 dependents",
        "complete, 100 dependents",
        f"cancel a chain of {CHAIN}",
    ),
    "questions": ("list a page of 50", "queue status"),
    "whole queue": ("execution plan", "recovery"),
}

Seconds = list[float]


class Grown:
    """A file of chains of ten with so many tasks, and what is done in it."""

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self.size = size
        self._store = open_sqlite(path)
        self._pipeline = Pipeline(self._store)
        for _ in range(size // BATCH):
            self._pipeline.ask(enqueue(linked_specs(BATCH)))

    def close(self) -> None:
        self._store.close()

    def measure(self, rounds: int) -> dict[str, Seconds]:
        """The seconds of each operation, time and again; recovery last, and once."""
        found: dict[str, Seconds] = defaultdict(list)
        for _ in range(rounds):
            for name, seconds in self._small():
                found[name].append(seconds)
        for _ in range(3):
            found["execution plan"].append(self._timed(c.MakePlan(None, None, None, Reply())))
        began = time.perf_counter()
        with no_collection():
            Pipeline(self._store)
        found["recovery"].append(time.perf_counter() - began)
        return found

    def _small(self) -> Iterator[tuple[str, float]]:
        yield "enqueue 1", self._timed(enqueue([spec(0)]))
        yield "claim 1", self._timed(_claim())
        for dependents in (1, 10, 100):
            name = f"complete, {dependents} dependent{'s' * (dependents > 1)}"
            yield name, self._timed(self._completion(dependents))
        yield f"cancel a chain of {CHAIN}", self._timed(self._cancellation())
        yield "list a page of 50", self._timed(c.ListTasks(Filter(), None, 50, Reply()))
        yield "queue status", self._timed(c.GetQueueStatus(Reply()))

    def _completion(self, dependents: int) -> c.Complete:
        """Of a task that was claimed, for which so many wait."""
        root = replace(spec(0), agent_type=OWN_LANE)
        self._pipeline.ask(enqueue([root, *(spec(0, [root]) for _ in range(dependents))]))
        (claimed,) = self._pipeline.ask(_claim(OWN_LANE))
        finish = c.Finish("complete", claimed.task.number, claimed.token)
        return c.Complete((finish,), Reply())

    def _cancellation(self) -> c.Cancel:
        """Of a task that heads a chain."""
        specs: list[TaskSpec] = []
        for place in range(CHAIN):
            specs.append(spec(place, specs[-1:]))
        root = self._pipeline.ask(enqueue(specs))[0]
        return c.Cancel(root.number, None, False, Reply())

    def _timed(self, command: Any) -> float:
        began = time.perf_counter()
        self._pipeline.ask(command)
        return time.perf_counter() - began


def _claim(*agent_types: str) -> c.ClaimReady:
    return c.ClaimReady("worker", agent_types or None, 1, 300.0, 0.0, Reply())


def figures(bench: Bench) -> Iterator[Figure | Table | Chart]:
    """A file of each size is made once, and everything is measured on it."""
    points: dict[str, list[Point]] = defaultdict(list)
    for size in bench.pick(SIZES, QUICK_SIZES):
        with closing(Grown(bench.new(), size)) as grown:
            measured = grown.measure(bench.pick(ROUNDS, 5))
        for name, seconds in measured.items():
            points[name].append(Point(size, median(seconds), min(seconds), max(seconds)))
        if size == SIZES[-1]:
            yield _restart(grown.path, size, measured["recovery"])
    yield _table(points)
    for family, names in FAMILIES.items():
        yield _chart(family, names, points)


def _restart(path: str, size: int, recovery: Sequence[float]) -> Figure:
    pairs = [(seconds, fetch_all(path, None)) for seconds in recovery]
    return paired(
        f"recover {size:,} unfinished tasks / fetchall", "s", pairs, at_most(6), at_most(3)
    )


def _table(points: dict[str, list[Point]]) -> Table:
    sizes = [f"{point.x:,.0f} tasks" for point in next(iter(points.values()))]
    rows = tuple(
        (name, *(value(point.y, "s") for point in found), f"{exponent(found):.2f}")
        for name, found in points.items()
    )
    title = "How operations grow with the queue (medians), and the exponent of the growth"
    return Table(
        "growth", title, ("operation", *sizes, "exponent"), rows, "0: not at all; 1: as it."
    )


def _chart(family: str, names: Sequence[str], points: dict[str, list[Point]]) -> Chart:
    lines = tuple(
        Series(f"{name} (n^{exponent(points[name]):.2f})", tuple(points[name])) for name in names
    )
    return Chart(
        f"growth-{family.replace(' ', '-')}", f"Growth: {family}", "tasks", "seconds", lines
    )
