"""huey on SQLite: pickled calls in a WAL file, synced at each commit (`fsync=True`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.peers.peer import ALL, Survival, handle, library, rate
from benchmarks.workload import Bench
from scheduler import TaskSpec


class HueyPeer:
    """A worker's two calls, `dequeue` and `execute`, are made here, without its threads.

    Taking a task removes it from the file. There is no bulk call.
    """

    survival = Survival(ALL, ALL, "is lost")

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._library = library("huey")

    def enqueue_single(self, count: int) -> float:
        def enqueue(specs: Sequence[TaskSpec]) -> None:
            for spec in specs:
                call(spec.description, spec.payload)

        with self._new() as (_, call):
            return rate(count, enqueue)

    def enqueue_bulk(self, count: int) -> None:
        return None

    def cycle(self, count: int) -> float:
        def work(specs: Sequence[TaskSpec]) -> None:
            for spec in specs:
                call(spec.description, spec.payload)
                assert huey.execute(huey.dequeue())

        with self._new() as (huey, call):
            return rate(count, work)

    @contextmanager
    def _new(self) -> Iterator[tuple[Any, Any]]:
        """A queue, and the call that enqueues on it."""
        huey = self._library.SqliteHuey(filename=self._bench.new(), fsync=True)
        try:
            yield huey, huey.task()(handle)
        finally:
            huey.storage.close()


@contextmanager
def opened(bench: Bench) -> Iterator[HueyPeer]:
    yield HueyPeer(bench)
