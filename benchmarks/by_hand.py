"""The references: what a careful person writes with sqlite3 alone, without a library.

A table of tasks in a WAL file, and one commit for each step. With full syncing, which is what
they do unless told otherwise, each answer is as durable as a `synced` one; with `NORMAL`, as a
`committed` one. It has no dependencies, leases, retries or feed.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Literal

from persistence import statements as sql
from persistence.opening import connect, prepare_file
from persistence.rows import Row, edge_rows, whole_row
from persistence.store import Durability
from scheduler import Task, TaskSpec

Synchronous = Literal["NORMAL", "FULL"]

SCHEMA = """
    CREATE TABLE tasks (
        id INTEGER PRIMARY KEY, description TEXT NOT NULL, status TEXT NOT NULL,
        priority INTEGER NOT NULL, created REAL NOT NULL, payload TEXT, result TEXT);
    CREATE INDEX tasks_ready ON tasks (priority DESC, id) WHERE status = 'ready'"""
INSERT = """
    INSERT INTO tasks (description, status, priority, created, payload)
    VALUES (?, 'ready', ?, ?, ?)"""
CLAIM = """
    UPDATE tasks SET status = 'running' WHERE id = (
        SELECT id FROM tasks WHERE status = 'ready' ORDER BY priority DESC, id LIMIT 1)
    RETURNING id, description, payload"""
COMPLETE = "UPDATE tasks SET status = 'completed', result = ? WHERE id = ?"

# The store's own statement also replaces a row that is there already.
PLAIN_INSERT = sql.PUT_TASK.partition("ON CONFLICT")[0]
DURABILITY: dict[Synchronous, Durability] = {"FULL": "synced", "NORMAL": "committed"}
CHECKPOINT_PAGES = 2_000  # as the persister has it


class TaskTable:
    """See the module. `commit_seconds` longer takes each commit, on a disk that is slow."""

    def __init__(
        self, path: str, commit_seconds: float = 0.0, synchronous: Synchronous = "FULL"
    ) -> None:
        self._commit_seconds = commit_seconds
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(f"PRAGMA synchronous = {synchronous}")
        self._connection.executescript(SCHEMA)

    def insert(self, spec: TaskSpec) -> None:
        self._do(INSERT, *_values(spec))

    def insert_many(self, specs: Sequence[TaskSpec]) -> None:
        """All of them in one commit."""
        with self._connection:
            self._connection.execute(sql.BEGIN)
            self._connection.executemany(INSERT, map(_values, specs))

    def claim(self) -> int:
        ((number, _description, _payload),) = self._do(CLAIM)
        return int(number)

    def complete(self, number: int, result: object) -> None:
        self._do(COMPLETE, json.dumps(result), number)

    def close(self) -> None:
        self._connection.close()

    def _do(self, statement: str, *values: object) -> list[Row]:
        rows = self._connection.execute(statement, values).fetchall()
        if self._commit_seconds:
            time.sleep(self._commit_seconds)
        return rows


def _values(spec: TaskSpec) -> Row:
    return spec.description, spec.base_priority, time.time(), json.dumps(spec.payload)


def insert_each(
    path: str,
    specs: Sequence[TaskSpec],
    commit_seconds: float = 0.0,
    synchronous: Synchronous = "FULL",
) -> float:
    """Tasks a second, one commit each."""
    with closing(TaskTable(path, commit_seconds, synchronous)) as table:
        began = time.perf_counter()
        for spec in specs:
            table.insert(spec)
        return len(specs) / (time.perf_counter() - began)


def work_through(
    path: str,
    specs: Sequence[TaskSpec],
    commit_seconds: float = 0.0,
    synchronous: Synchronous = "FULL",
) -> float:
    """Tasks a second, each inserted, claimed and completed in three commits."""
    with closing(TaskTable(path, commit_seconds, synchronous)) as table:
        began = time.perf_counter()
        for spec in specs:
            table.insert(spec)
            table.complete(table.claim(), {"ok": True})
        return len(specs) / (time.perf_counter() - began)


def executemany(
    path: str,
    tasks: Sequence[Task],
    batch: int,
    commit_seconds: float = 0.0,
    synchronous: Synchronous = "FULL",
) -> float:
    """Tasks a second: the rows that the store writes for them, in its schema, with its pragmas."""
    prepare_file(path)
    transactions = [_rows(tasks, start, start + batch) for start in range(0, len(tasks), batch)]
    with closing(connect(path, DURABILITY[synchronous], None)) as connection:
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        began = time.perf_counter()
        for rows in transactions:
            connection.execute(sql.BEGIN)
            for statement, rows_of_it in rows.items():
                connection.executemany(statement, rows_of_it)
            connection.execute(sql.COMMIT)
            time.sleep(commit_seconds)
        return len(tasks) / (time.perf_counter() - began)


def _rows(tasks: Sequence[Task], start: int, end: int) -> dict[str, list[Row]]:
    """By statement, the rows of one transaction."""
    numbered = list(enumerate(tasks[start:end], start + 1))
    return {
        PLAIN_INSERT: [whole_row(task, sequence) for sequence, task in numbered],
        sql.PUT_EDGE: [row for _, task in numbered for row in edge_rows(task)],
    }
