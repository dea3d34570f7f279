"""A batch as SQL: which statements with which rows, in slices that leave room to breathe."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import chain, islice

from msgspec.structs import astuple

from persistence import statements as sql
from persistence.rows import Row, edge_rows, moved_row, schedule_row, touched_row, whole_row
from persistence.store import Batch
from scheduler.domain.errors import StoreCorrupt, StoreLocked
from scheduler.domain.request_ids import forgotten_before

SLICE = 100  # rows, one to two milliseconds


def write_batch(connection: sqlite3.Connection, batch: Batch, epoch: int) -> Iterator[None]:
    """Begin a transaction as the owner of `epoch` and write `batch` in it.

    Yields after each slice of rows.
    """
    begin(connection, epoch)
    for statement, rows in _statements(batch):
        while part := list(islice(rows, SLICE)):
            written = connection.executemany(statement, part).rowcount
            if written != len(part) and statement in _CHANGES_EACH:
                raise StoreCorrupt(
                    f"{len(part) - written} tasks that changed are not in the database",
                    hint="Run `headrace doctor` on the file.",
                )
            yield


def begin(connection: sqlite3.Connection, epoch: int) -> None:
    """Begin to write; StoreLocked if the file has had a new owner since we took it."""
    connection.execute(sql.BEGIN)
    if connection.execute(sql.OWNER_EPOCH).fetchone() != (epoch,):
        raise StoreLocked(
            "another process has taken the database over; nothing more is written to it here",
            hint="Open it anew. Nobody may delete its .lock file while it is in use.",
        )


_CHANGES_EACH = frozenset({sql.MOVE_TASK, sql.TOUCH_TASK})


def _statements(batch: Batch) -> Iterator[tuple[str, Iterator[Row]]]:
    """Rows are made as they are written: to make all of a large batch would hold up the loop."""
    sequences = batch.sequences
    if whole := [*batch.inserted.values(), *batch.rewritten.values()]:
        yield sql.PUT_TASK, (whole_row(task, sequences[task.number]) for task in whole)
        yield sql.DROP_EDGES, ((number,) for number in batch.rewritten)
        yield sql.PUT_EDGE, chain.from_iterable(map(edge_rows, whole))
    if moved := batch.moved.values():
        yield sql.MOVE_TASK, (moved_row(task, sequences[task.number]) for task in moved)
    if batch.touched:
        yield sql.TOUCH_TASK, map(touched_row, batch.touched.values())
    if batch.attempts:
        yield sql.PUT_ATTEMPT, map(astuple, batch.attempts)
    for lane, known in batch.durations.items():
        yield sql.PUT_DURATION, iter([(lane, known.mean, known.count)])
    for paused in batch.paused.items():
        yield sql.PUT_PAUSED, iter([paused])
    for limit in batch.limits.values():
        if limit.empty:
            yield sql.DROP_LIMIT, iter([limit.scope])
        else:
            yield sql.PUT_LIMIT, iter([astuple(limit)])
    for name, schedule in batch.schedules.items():
        if schedule is None:
            yield sql.DROP_SCHEDULE, iter([(name,)])
        else:
            yield sql.PUT_SCHEDULE, iter([schedule_row(schedule)])
    if counters := _counters(batch):
        yield sql.PUT_COUNTER, iter(counters)
    if batch.receipts:
        yield sql.PUT_RECEIPT, iter(batch.receipts.items())
        yield sql.DROP_RECEIPTS, iter([(forgotten_before(max(batch.receipts)),)])


def _counters(batch: Batch) -> list[tuple[str, int]]:
    counters = [(str(status), count) for status, count in batch.finished.items()]
    if batch.paused and batch.sequence is not None:  # the numbers of other changes stand in rows
        counters.append(("sequence", batch.sequence))
    return counters
