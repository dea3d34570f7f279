"""Celery on Redis, for calls and results: a worker with the solo pool in a thread beside us."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.peers.peer import Survival, handle, library, rate
from benchmarks.peers.servers import IN_REDIS, AppendFsync, redis
from benchmarks.workload import Bench
from scheduler import TaskSpec

PATIENCE = 60.0  # seconds for a result


class CeleryPeer:
    """A call is acknowledged after its run (`acks_late`). There is no bulk call."""

    def __init__(self, url: str, appendfsync: AppendFsync) -> None:
        self._app = library("celery").Celery("peer", broker=url, backend=url)
        self._call = self._app.task(handle, name="handle", acks_late=True)
        self._worker = library("celery.contrib.testing.worker")
        self._redis = library("redis").Redis.from_url(url)
        self.survival = Survival(*IN_REDIS[appendfsync], "back after a timeout")

    def enqueue_single(self, count: int) -> float:
        self._redis.flushdb()
        return rate(count, self._enqueue)

    def enqueue_bulk(self, count: int) -> None:
        return None

    def cycle(self, count: int) -> float:
        def work(specs: Sequence[TaskSpec]) -> None:
            for result in self._enqueue(specs):
                result.get(timeout=PATIENCE)

        self._redis.flushdb()
        with self._worker.start_worker(self._app, pool="solo", perform_ping_check=False):
            return rate(count, work)

    def _enqueue(self, specs: Sequence[TaskSpec]) -> list[Any]:
        return [self._call.delay(spec.description, spec.payload) for spec in specs]


@contextmanager
def opened(bench: Bench, appendfsync: AppendFsync) -> Iterator[CeleryPeer]:
    with redis(bench, appendfsync) as url:
        yield CeleryPeer(url, appendfsync)
