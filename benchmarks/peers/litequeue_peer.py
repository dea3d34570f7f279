"""litequeue: messages in one SQLite table, WAL with synchronous = NORMAL. It needs Python 3.12."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from benchmarks.peers.peer import ALL, LAST_COMMITS_LOST, Survival, batches, library, message, rate
from benchmarks.workload import Bench
from scheduler import TaskSpec


class LiteQueuePeer:
    """Each call is a commit of its own; a bulk call is a transaction around single ones.

    Raises `Missing` where the library is not installed.
    """

    survival = Survival(ALL, LAST_COMMITS_LOST, "back on request")

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._library = library("litequeue")

    def enqueue_single(self, count: int) -> float:
        with self._new() as queue:
            return rate(count, lambda specs: self._put(queue, specs))

    def enqueue_bulk(self, count: int) -> float:
        def put(specs: Sequence[TaskSpec]) -> None:
            for batch in batches(specs):
                with queue.transaction():
                    self._put(queue, batch)

        with self._new() as queue:
            return rate(count, put)

    def cycle(self, count: int) -> float:
        def work(specs: Sequence[TaskSpec]) -> None:
            for spec in specs:
                queue.put(message(spec))
                taken = queue.pop()
                assert queue.done(taken.message_id, claim_id=taken.claim_id)

        with self._new() as queue:
            return rate(count, work)

    def _new(self) -> closing[Any]:
        return closing(self._library.LiteQueue(self._bench.new()))

    def _put(self, queue: Any, specs: Sequence[TaskSpec]) -> None:
        for spec in specs:
            queue.put(message(spec))


@contextmanager
def opened(bench: Bench) -> Iterator[LiteQueuePeer]:
    yield LiteQueuePeer(bench)
