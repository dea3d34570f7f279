"""The store on disk: one SQLite file in WAL mode, one connection, one owner.

Hears from the persister alone. The connection may be used from any thread, by one at a time.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import msgspec

from persistence import columns
from persistence import statements as sql
from persistence.columns import impossible
from persistence.failures import Translating
from persistence.filesystem import refuse_network
from persistence.listing import listed
from persistence.opening import connect, prepare_file, take_over, write_log_again
from persistence.ownership import Ownership
from persistence.pruning import prune
from persistence.rows import Row, counters_of, edges_of, schedules_of, tasks_of
from persistence.store import (
    Batch,
    Durability,
    Duration,
    Edge,
    Filter,
    Loaded,
    Pruned,
    StorePage,
)
from persistence.wal import WalGauge
from persistence.writing import write_batch
from scheduler.domain.errors import StoreError
from scheduler.domain.limits import Limit
from scheduler.domain.task import FINISHED, Attempt, Status, Task
from scheduler.domain.views import Change


def open_sqlite(
    path: str,
    *,
    durability: Durability = "synced",
    vfs: str | None = None,
    address: str | None = None,
    mend_log: Callable[[str], None] = write_log_again,
) -> SQLiteStore:
    """Open a database file, made if it is not there, and become its owner.

    `address` is where other processes will be served. `vfs` names the SQLite file layer to use,
    and `mend_log(path)` sees to a log there, for tests. Raises StoreUnavailable, StoreLocked,
    StoreCorrupt, StoreNewer.
    """
    path = os.path.realpath(path)
    refuse_network(path)
    prepare_file(path)
    ownership = Ownership(path, address)
    try:
        mend_log(path)
        connection = connect(path, durability, vfs)
        return SQLiteStore(path, connection, take_over(connection, path), ownership, mend_log)
    except BaseException:
        ownership.abandon()
        raise


class SQLiteStore:
    """Implements Store; see there for what each method promises."""

    def __init__(
        self,
        path: str,
        connection: sqlite3.Connection,
        epoch: int,
        ownership: Ownership,
        mend_log: Callable[[str], None],
    ) -> None:
        self._path = path
        self._epoch = epoch
        self._connection = connection
        self._ownership = ownership
        self._wal = WalGauge(path)
        self._mend_log = mend_log
        self._log_in_doubt = False  # since a sync of it may have failed
        self._translating = Translating(path)
        self._committing = Translating(path, outcome="unknown")

    @property
    def location(self) -> str:
        return self._path

    def announce(self, address: str | None) -> None:
        self._ownership.announce(address)

    # ------------------------------------------------------------- writing

    def write(self, batch: Batch) -> Iterator[None]:
        with self._translating:
            yield from write_batch(self._connection, batch, self._epoch)

    def commit(self) -> None:
        with self._committing:
            self._connection.execute(sql.COMMIT)

    def rollback(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute(sql.ROLLBACK)

    def prune(self, created_before: int, finished_before: float, after: int, limit: int) -> Pruned:
        try:
            with self._translating:
                return prune(
                    self._connection, self._epoch, created_before, finished_before, after, limit
                )
        except StoreError:
            self.rollback()
            raise

    def wal_pages(self) -> int:
        return self._wal.pages()

    def checkpoint(self) -> None:
        if self._log_in_doubt:
            self._mend_log(self._path)
        self._log_in_doubt = True
        with self._translating:
            _busy, _frames, copied = self._connection.execute(sql.CHECKPOINT).fetchone()
        self._log_in_doubt = False
        self._wal.copied(copied)

    def close(self) -> None:
        self.rollback()
        for _ in range(2):  # or else SQLite tries once more by itself, with the log as it is
            with suppress(StoreError, sqlite3.Error):
                self.checkpoint()
                break
        with suppress(sqlite3.Error):
            self._connection.close()
        self._wal.close()
        self._ownership.release()

    # ------------------------------------------------------------- loading

    def load(self) -> Loaded:
        with self._translating:
            execute = self._connection.execute
            edges = edges_of(execute(sql.UNFINISHED_EDGES))
            tasks = tasks_of(execute(sql.UNFINISHED_TASKS), edges)
            lanes = list(columns.LANES.proved(execute(sql.LANES)))
            limits = [Limit(*row) for row in columns.LIMITS.proved(execute(sql.LIMITS))]
            schedules = schedules_of(execute(sql.SCHEDULES))
            counters = counters_of(execute(sql.COUNTERS))
            ((largest,),) = columns.NUMBER.proved(execute(sql.LARGEST))
            ((newest,),) = columns.NUMBER.proved(execute(sql.NEWEST))
        unfinished = {task.number for task in tasks if not task.status.finished}
        if len(unfinished) < len(tasks):
            raise impossible("an index", "its rows")
        ends = {end for needs, after in edges.values() for end in chain(needs, after)}
        return Loaded(
            tasks=tasks,
            outside=self.statuses(ends - unfinished),
            durations={lane: Duration(mean, count) for lane, mean, count, _ in lanes if count},
            paused={lane for lane, _, _, paused in lanes if paused},
            limits=limits,
            schedules=schedules,
            finished={status: counters.get(status, 0) for status in FINISHED},
            sequence=max(newest or 0, counters["sequence"], counters["pruned_sequence"]),
            largest=largest or 0,
            pruned_sequence=counters["pruned_sequence"],
        )

    # ------------------------------------------------------------- looking up

    def statuses(self, numbers: Collection[int]) -> dict[int, Status]:
        return dict(columns.STATUSES.proved(self._read(sql.STATUSES, (_json(numbers),))))

    def tasks(self, numbers: Collection[int]) -> dict[int, Task]:
        tasks = self._with_edges(self._read(sql.TASKS, (_json(numbers),)))
        return {task.number: task for task in tasks}

    def results(self, numbers: Collection[int]) -> dict[int, str]:
        return dict(columns.RESULTS.proved(self._read(sql.RESULTS, (_json(numbers),))))

    def by_keys(self, keys: Collection[str]) -> dict[str, Task]:
        tasks = self._with_edges(self._read(sql.BY_KEYS, (_json(keys),)))
        return {task.key: task for task in tasks if task.key is not None}

    def fallen_with(self, root: int) -> list[Task]:
        return self._with_edges(self._read(sql.FALLEN, {"root": root}))

    def dependents(self, number: int) -> list[Edge]:
        rows = columns.EDGES.proved(self._read(sql.DEPENDENTS, (number,)))
        return [Edge(task, prerequisite, bool(must)) for task, prerequisite, must in rows]

    def attempts(self, number: int) -> list[Attempt]:
        rows = columns.ATTEMPTS.proved(self._read(sql.ATTEMPTS, (number,)))
        return [Attempt(*row) for row in rows]

    def changes(self, since: int, limit: int) -> list[Change]:
        rows = self._read(sql.CHANGES, (since, limit))
        sequences = [sequence for (sequence,) in columns.NUMBER.proved(row[:1] for row in rows)]
        tasks = self._with_edges([row[1:] for row in rows])
        return [Change(sequence, task) for sequence, task in zip(sequences, tasks, strict=True)]

    def receipt(self, request: str) -> str | None:
        return next((receipt for (receipt,) in self._read(sql.RECEIPT, (request,))), None)

    def page(self, where: Filter, below: int | None, limit: int) -> StorePage:
        found, last = listed(self._read, where, below, limit)
        tasks = self.tasks(found)
        if len(tasks) < len(found):
            raise impossible("an index", "its rows")
        return StorePage(tuple(tasks[number] for number in found), last, last is not None)

    def _read(self, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> list[Row]:
        with self._translating:
            return self._connection.execute(statement, values).fetchall()

    def _with_edges(self, rows: list[Row]) -> list[Task]:
        """Tasks of rows that begin with the number."""
        if not rows:
            return []
        edges = self._read(sql.EDGES, (_json([row[0] for row in rows]),))
        return tasks_of(rows, edges_of(edges))


def _json(values: Iterable[Any]) -> str:
    return msgspec.json.encode(list(values)).decode()
