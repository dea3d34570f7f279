"""DBOS on SQLite: workflows in a file with a rollback journal, synced at each commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.peers.peer import ALL, RESULT, Survival, handle, library, rate
from benchmarks.workload import Bench
from scheduler import TaskSpec

OLDEST = (3, 42)  # the first SQLite with a function that its tables call
QUEUE = "bench"
POLL_SECONDS = 0.01  # of its own worker, by default 1 s


class DbosPeer:
    """Its own threads take the workflows from the queue. There is no bulk call."""

    survival = Survival(ALL, ALL, "back at the next start")

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._dbos = library("dbos").DBOS
        self._sqlite = sqlite3 if sqlite3.sqlite_version_info >= OLDEST else library("pysqlite3")

    def enqueue_single(self, count: int) -> float:
        with self._new(polling=3_600.0) as call:
            return rate(count, lambda specs: self._enqueue(call, specs))

    def enqueue_bulk(self, count: int) -> None:
        return None

    def cycle(self, count: int) -> float:
        def work(specs: Sequence[TaskSpec]) -> None:
            for workflow in self._enqueue(call, specs):
                assert workflow.get_result(polling_interval_sec=POLL_SECONDS) == RESULT

        with self._new(polling=POLL_SECONDS) as call:
            return rate(count, work)

    @contextmanager
    def _new(self, polling: float) -> Iterator[Any]:
        """A workflow of a program with a new file, and a queue that is looked at that often."""
        self._dbos(
            config={
                "name": QUEUE,
                "system_database_url": f"sqlite:///{self._bench.new()}",
                "log_level": "ERROR",
                "run_admin_server": False,
                "db_engine_kwargs": {"module": self._sqlite},
            }
        )
        call = self._dbos.workflow(name="handle")(handle)
        self._dbos.launch()
        try:
            self._dbos.register_queue(QUEUE, polling_interval_sec=polling)
            yield call
        finally:
            self._dbos.destroy(destroy_registry=True)

    def _enqueue(self, call: Any, specs: Sequence[TaskSpec]) -> list[Any]:
        return [
            self._dbos.enqueue_workflow(QUEUE, call, spec.description, spec.payload)
            for spec in specs
        ]


@contextmanager
def opened(bench: Bench) -> Iterator[DbosPeer]:
    yield DbosPeer(bench)
