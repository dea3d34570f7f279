"""persist-queue's SQLiteAckQueue: pickled items in a WAL file, synced as SQLite does by default."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from benchmarks.peers.peer import ALL, Survival, library, message, rate
from benchmarks.workload import Bench
from scheduler import TaskSpec


class PersistQueuePeer:
    """Each call is a commit of its own. There is no bulk call, and a result has no place."""

    survival = Survival(ALL, ALL, "back at the next start")

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._library = library("persistqueue")

    def enqueue_single(self, count: int) -> float:
        def put(specs: Sequence[TaskSpec]) -> None:
            for spec in specs:
                queue.put(message(spec))

        with self._new() as queue:
            return rate(count, put)

    def enqueue_bulk(self, count: int) -> None:
        return None

    def cycle(self, count: int) -> float:
        def work(specs: Sequence[TaskSpec]) -> None:
            for spec in specs:
                queue.put(message(spec))
                taken = queue.get(block=False, raw=True)
                assert queue.ack(taken) == taken["pqid"]

        with self._new() as queue:
            return rate(count, work)

    def _new(self) -> closing[Any]:
        """A folder of its own, which the library makes."""
        return closing(self._library.SQLiteAckQueue(self._bench.new(), auto_commit=True))


@contextmanager
def opened(bench: Bench) -> Iterator[PersistQueuePeer]:
    yield PersistQueuePeer(bench)
