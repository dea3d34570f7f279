"""A batch as SQL: which statements with which rows, in slices that leave room to breathe."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import chain

from msgspec.structs import astuple

from persistence import statements as sql
from persistence.rows import Row, edge_rows, moved_row, touched_row, whole_row
from persistence.store import Batch
from scheduler.domain.errors import StoreCorrupt

SLICE = 100  # rows, one to two milliseconds


def write_batch(connection: sqlite3.Connection, batch: Batch) -> Iterator[None]:
    """Begin a transaction and write `batch` in it, yielding after each slice of rows."""
    connection.execute(sql.BEGIN)
    for statement, rows in _statements(batch):
        for start in range(0, len(rows), SLICE):
            part = rows[start : start + SLICE]
            written = connection.executemany(statement, part).rowcount
            if written != len(part) and statement in _CHANGES_EACH:
                raise StoreCorrupt(
                    f"{len(part) - written} tasks that changed are not in the database",
                    hint="Run `headrace doctor` on the file.",
                )
            yield


_CHANGES_EACH = frozenset({sql.MOVE_TASK, sql.TOUCH_TASK})


def _statements(batch: Batch) -> Iterator[tuple[str, list[Row]]]:
    sequences = batch.sequences
    whole = chain(batch.inserted.values(), batch.rewritten.values())
    yield sql.PUT_TASK, [whole_row(task, sequences[task.number]) for task in whole]
    yield sql.DROP_EDGES, [(number,) for number in batch.rewritten]
    whole = chain(batch.inserted.values(), batch.rewritten.values())
    yield (
        sql.PUT_EDGE,
        [row for task in whole if task.requires or task.follows for row in edge_rows(task)],
    )
    moved = batch.moved.values()
    yield sql.MOVE_TASK, [moved_row(task, sequences[task.number]) for task in moved]
    yield sql.TOUCH_TASK, [touched_row(task) for task in batch.touched.values()]
    yield sql.PUT_ATTEMPT, [astuple(attempt) for attempt in batch.attempts]
    yield (
        sql.PUT_DURATION,
        [(lane, known.mean, known.count) for lane, known in batch.durations.items()],
    )
    yield sql.PUT_PAUSED, list(batch.paused.items())
    counters = dict(batch.counts or {})
    yield sql.PUT_COUNTER, [(str(status), count) for status, count in counters.items()]
    if batch.sequence is not None:
        yield sql.PUT_COUNTER, [("sequence", batch.sequence)]
