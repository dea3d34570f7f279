"""A table by hand, of `benchmarks/by_hand.py`: what the others are compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from benchmarks.by_hand import Synchronous, TaskTable
from benchmarks.peers.peer import ALL, LAST_COMMITS_LOST, RESULT, Survival, batches, rate
from benchmarks.workload import Bench
from scheduler import TaskSpec


class ByHandPeer:
    """Each call is a commit; a bulk call is an `executemany` in one commit."""

    def __init__(self, bench: Bench, synchronous: Synchronous) -> None:
        self._bench = bench
        self._synchronous = synchronous
        power_loss = ALL if synchronous == "FULL" else LAST_COMMITS_LOST
        self.survival = Survival(ALL, power_loss, "stays taken")

    def enqueue_single(self, count: int) -> float:
        def insert(specs: Sequence[TaskSpec]) -> None:
            for spec in specs:
                table.insert(spec)

        with self._new() as table:
            return rate(count, insert)

    def enqueue_bulk(self, count: int) -> float:
        def insert(specs: Sequence[TaskSpec]) -> None:
            for batch in batches(specs):
                table.insert_many(batch)

        with self._new() as table:
            return rate(count, insert)

    def cycle(self, count: int) -> float:
        def work(specs: Sequence[TaskSpec]) -> None:
            for spec in specs:
                table.insert(spec)
                table.complete(table.claim(), RESULT)

        with self._new() as table:
            return rate(count, work)

    def _new(self) -> closing[TaskTable]:
        return closing(TaskTable(self._bench.new(), synchronous=self._synchronous))


@contextmanager
def opened(bench: Bench, synchronous: Synchronous) -> Iterator[ByHandPeer]:
    yield ByHandPeer(bench, synchronous)
