"""rq on Redis: pickled calls, taken by its SimpleWorker, which runs them in its own process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.peers.peer import Survival, batches, handle, library, rate
from benchmarks.peers.servers import IN_REDIS, AppendFsync, redis
from benchmarks.workload import Bench
from scheduler import TaskSpec


class RqPeer:
    """All calls are enqueued, and then worked off."""

    def __init__(self, url: str, appendfsync: AppendFsync) -> None:
        self._rq = library("rq")
        self._redis = library("redis").Redis.from_url(url)
        self.survival = Survival(*IN_REDIS[appendfsync], "marked as failed")

    def enqueue_single(self, count: int) -> float:
        queue = self._emptied()
        return rate(count, lambda specs: self._enqueue(queue, specs))

    def enqueue_bulk(self, count: int) -> float:
        def enqueue(specs: Sequence[TaskSpec]) -> None:
            for batch in batches(specs):
                calls = [queue.prepare_data(handle, (s.description, s.payload)) for s in batch]
                queue.enqueue_many(calls)

        queue = self._emptied()
        return rate(count, enqueue)

    def cycle(self, count: int) -> float:
        def work(specs: Sequence[TaskSpec]) -> None:
            self._enqueue(queue, specs)
            worker.work(burst=True, logging_level="ERROR")

        queue = self._emptied()
        worker = self._rq.SimpleWorker([queue], connection=self._redis)
        worked = rate(count, work)
        assert queue.finished_job_registry.count == count
        return worked

    def _emptied(self) -> Any:
        self._redis.flushdb()
        return self._rq.Queue(connection=self._redis)

    def _enqueue(self, queue: Any, specs: Sequence[TaskSpec]) -> None:
        for spec in specs:
            queue.enqueue(handle, spec.description, spec.payload)


@contextmanager
def opened(bench: Bench, appendfsync: AppendFsync) -> Iterator[RqPeer]:
    with redis(bench, appendfsync) as url:
        yield RqPeer(url, appendfsync)
