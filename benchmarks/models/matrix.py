"""Which models are measured under which loads, at which level, on which disk; and what came of it.

Not every combination gets the same time: 512 producers of batches take seconds for a single
round, and a commit that does not sync does not feel a slow disk.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import NamedTuple

import trio

from benchmarks.lateness import Lateness
from benchmarks.measuring import percentile
from benchmarks.models import direct, grouped, locked, pipelined, threaded
from benchmarks.models.driving import Latency, Load, Run, run_in_threads, run_in_trio
from benchmarks.models.model import REAL, Disk, Opening
from benchmarks.workload import Bench
from persistence.store import Durability

ACTORS, LOCK, SHARED, THREADS, SQL = "actors", "trio.Lock", "shared commit", "threads", "SQL"

FAST = Disk("fsync + 1 ms", 0.001)
SLOW = Disk("fsync + 10 ms", 0.010)
BATCH = 100
CROWD, MANY = 64, 512
PRODUCERS = (1, 8, CROWD, MANY)


class Kind(NamedTuple):
    """A model: how it is opened and driven, and the durabilities that it can promise."""

    opening: Opening
    run: Callable[[Opening, str, Durability, Disk, Load], Run]
    levels: tuple[Durability, ...] = ("synced", "committed", "accepted")


KINDS: dict[str, Kind] = {
    ACTORS: Kind(pipelined.opened, run_in_trio),
    LOCK: Kind(locked.opened, run_in_trio),
    SHARED: Kind(grouped.opened, run_in_trio, ("synced", "committed")),
    THREADS: Kind(threaded.opened, run_in_threads),
    SQL: Kind(direct.opened, run_in_trio, ("synced", "committed")),
}


class Setting(NamedTuple):
    """What an answer means, and on which disk."""

    level: Durability
    disk: Disk

    @property
    def words(self) -> tuple[str, str]:
        return self.level, self.disk.name


class Work(NamedTuple):
    """What each of the producers does again and again."""

    batch: int
    cycle: bool

    @property
    def name(self) -> str:
        return f"{'cycle' if self.cycle else 'enqueue'}, by {self.batch}"


class Cell(NamedTuple):
    """One combination, for all models."""

    setting: Setting
    work: Work
    producers: int


class Sample(NamedTuple):
    """A run in short."""

    rate: float
    p50: Latency
    p99: Latency
    calls: int
    lateness: list[float]


class Measured(NamedTuple):
    """What the repetitions of one model in one cell came to."""

    samples: Sequence[Sample]

    @property
    def rate(self) -> float:
        """Tasks a second, the median."""
        return median(self.rates)

    @property
    def rates(self) -> list[float]:
        return [sample.rate for sample in self.samples]

    @property
    def p50(self) -> Latency:
        return _middle([sample.p50 for sample in self.samples])

    @property
    def p99(self) -> Latency:
        return _middle(self.p99s)

    @property
    def p99s(self) -> list[Latency]:
        return [sample.p99 for sample in self.samples]

    @property
    def calls(self) -> int:
        """Of the shortest repetition."""
        return min(sample.calls for sample in self.samples)

    @property
    def stalls(self) -> tuple[float, float] | None:
        """The p99 and the longest over all repetitions; None without a loop."""
        late = [seconds for sample in self.samples for seconds in sample.lateness]
        return (percentile(late, 99), max(late)) if late else None


SECONDS = 0.12  # in which producers begin calls; then those that are under way end
FOR_A_P99 = 100  # calls, or it is only the slowest one

Results = dict[Cell, dict[str, Measured]]

ENQUEUE, ENQUEUE_MANY = Work(1, False), Work(BATCH, False)
CYCLE, CYCLE_MANY = Work(1, True), Work(BATCH, True)

SETTINGS = (
    Setting("synced", REAL),
    Setting("synced", FAST),
    Setting("synced", SLOW),
    Setting("committed", REAL),
    Setting("committed", SLOW),
    Setting("accepted", REAL),
    Setting("accepted", SLOW),
)
QUICK_SETTINGS = (SETTINGS[0], SETTINGS[2], SETTINGS[5])
MANY_BATCHES_IN = (SETTINGS[0], SETTINGS[2])
CYCLES_IN = (SETTINGS[0], SETTINGS[1], SETTINGS[3])


def cells(bench: Bench) -> Iterator[Cell]:
    """All that are measured."""
    producers = bench.pick(PRODUCERS, (1, CROWD))
    for setting in bench.pick(SETTINGS, QUICK_SETTINGS):
        for work in (ENQUEUE, ENQUEUE_MANY):
            for count in producers:
                if work is ENQUEUE or count < MANY or setting in MANY_BATCHES_IN:
                    yield Cell(setting, work, count)
    for setting in bench.pick(CYCLES_IN, CYCLES_IN[:1]):
        for count in bench.pick((1, 8, CROWD), (1,)):
            yield Cell(setting, CYCLE, count)
        for count in bench.pick((1, 8), (1,)):
            yield Cell(setting, CYCLE_MANY, count)


def measure(bench: Bench) -> Results:
    """Every cell, its models in turn (A B C A B C …)."""
    return {cell: _measured(cell, bench) for cell in cells(bench)}


def _measured(cell: Cell, bench: Bench) -> dict[str, Measured]:
    level, disk = cell.setting
    kinds = {name: kind for name, kind in KINDS.items() if level in kind.levels}
    samples: dict[str, list[Sample]] = {name: [] for name in kinds}
    for _ in range(bench.pick(_repetitions(cell), 1)):
        for name, kind in kinds.items():
            gc.collect()
            load = _load(cell, bench.pick(1.0, 0.5))
            samples[name].append(_sample(kind.run(kind.opening, bench.new(), level, disk, load)))
    return {name: Measured(tuple(found)) for name, found in samples.items()}


def _repetitions(cell: Cell) -> int:
    return 1 if cell.work is ENQUEUE_MANY and cell.producers == MANY else 2


def _load(cell: Cell, scale: float) -> Load:
    """With as much grace as the slowest model that answers at all needs for a round."""
    batch, cycle = cell.work
    if cycle:
        grace = 2.0
    elif batch == 1:
        grace = 0.08
    else:
        grace = 10.0  # so that every batch ends
    return Load(cell.producers, batch, cycle, seconds=SECONDS * scale, grace=grace * scale)


def _sample(run: Run) -> Sample:
    return Sample(run.rate, run.latency(50), run.latency(99), len(run.latencies), run.lateness)


def _middle(latencies: Sequence[Latency]) -> Latency:
    return sorted(latencies)[len(latencies) // 2]


def idle_loop(seconds: float = 0.5) -> tuple[float, float]:
    """The p99 and the longest lateness of a loop that has nothing to do, seconds."""

    async def watch() -> list[float]:
        lateness = Lateness()
        with trio.move_on_after(seconds):
            await lateness.watch()
        return lateness.seconds

    late = trio.run(watch)
    return percentile(late, 99), max(late)
