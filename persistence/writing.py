"""A batch as SQL: which statements with which rows, in slices that leave room to breathe."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import chain, islice

from msgspec.structs import astuple

from persistence import statements as sql
from persistence.rows import Row, edge_rows, moved_row, schedule_row, touched_row, whole_rows
from persistence.store import Batch
from scheduler.domain.errors import StoreCorrupt, StoreLocked
from scheduler.domain.request_ids import forgotten_before
from scheduler.domain.task import Task

SLICE = 100  # rows, one to two milliseconds


def write_batch(connection: sqlite3.Connection, batch: Batch, epoch: int) -> Iterator[None]:
    """Begin a transaction as the owner of `epoch` and write `batch` in it.

    Yields after each slice of rows.
    """
    begin(connection, epoch)
    for statement, rows in _slices(batch):
        if len(rows) >= sql.TOGETHER and statement in _MANY:
            rows = _write_together(connection, _MANY[statement], rows)
        written = connection.executemany(statement, rows).rowcount
        if written != len(rows) and statement in _CHANGES_EACH:
            raise StoreCorrupt(
                f"{len(rows) - written} tasks that changed are not in the database",
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


def _write_together(connection: sqlite3.Connection, statement: str, rows: list[Row]) -> list[Row]:
    """Write as many as `statement` takes, again and again; the rows that are left."""
    end = len(rows) - len(rows) % sql.TOGETHER
    for start in range(0, end, sql.TOGETHER):
        together = chain.from_iterable(rows[start : start + sql.TOGETHER])
        connection.execute(statement, list(together))
    return rows[end:]


_MANY = {sql.PUT_COMMON_TASK: sql.PUT_COMMON_TASKS, sql.PUT_EDGE: sql.PUT_EDGES}
_CHANGES_EACH = frozenset({sql.MOVE_TASK, sql.TOUCH_TASK})


Slice = tuple[str, list[Row]]  # a statement, and rows for it


def _slices(batch: Batch) -> Iterator[Slice]:
    """Rows are made as they are written: to make all of a large batch would hold up the loop."""
    sequences = batch.sequences
    if batch.inserted or batch.rewritten:
        yield from _whole([*batch.inserted.values(), *batch.rewritten.values()], batch)
    if moved := batch.moved.values():
        rows = (moved_row(task, sequences[task.number]) for task in moved)
        yield from _sliced(sql.MOVE_TASK, rows)
    if batch.touched:
        yield from _sliced(sql.TOUCH_TASK, map(touched_row, batch.touched.values()))
    if batch.attempts:
        statement = sql.PUT_ATTEMPT_AGAIN if batch.again else sql.PUT_ATTEMPT
        yield from _sliced(statement, map(astuple, batch.attempts))
    if batch.finished or batch.paused:
        yield sql.PUT_COUNTER, _counters(batch)
    if batch.receipts:
        yield from _sliced(sql.PUT_RECEIPT, iter(batch.receipts.items()))
        yield sql.DROP_RECEIPTS, [(forgotten_before(max(batch.receipts)),)]
    if batch.durations or batch.paused or batch.limits or batch.schedules:
        yield from _settings(batch)


def _whole(tasks: list[Task], batch: Batch) -> Iterator[Slice]:
    for start in range(0, len(tasks), SLICE):
        common, full = whole_rows(tasks[start : start + SLICE], batch.sequences)
        if common:
            yield sql.PUT_COMMON_TASK, common
        if full:
            yield sql.PUT_TASK, full
    if batch.rewritten:
        yield from _sliced(sql.DROP_EDGES, ((number,) for number in batch.rewritten))
    if linked := [task for task in tasks if task.requires or task.follows]:
        yield from _sliced(sql.PUT_EDGE, chain.from_iterable(map(edge_rows, linked)))


def _sliced(statement: str, rows: Iterator[Row]) -> Iterator[Slice]:
    while part := list(islice(rows, SLICE)):
        yield statement, part


def _settings(batch: Batch) -> Iterator[Slice]:
    """What is not about single tasks; few rows."""
    for lane, known in batch.durations.items():
        yield sql.PUT_DURATION, [(lane, known.mean, known.count)]
    for paused in batch.paused.items():
        yield sql.PUT_PAUSED, [paused]
    for limit in batch.limits.values():
        if limit.empty:
            yield sql.DROP_LIMIT, [limit.scope]
        else:
            yield sql.PUT_LIMIT, [astuple(limit)]
    for name, schedule in batch.schedules.items():
        if schedule is None:
            yield sql.DROP_SCHEDULE, [(name,)]
        else:
            yield sql.PUT_SCHEDULE, [schedule_row(schedule)]


def _counters(batch: Batch) -> list[Row]:
    counters: list[Row] = [(str(status), count) for status, count in batch.finished.items()]
    if batch.paused and batch.sequence is not None:  # the numbers of other changes stand in rows
        counters.append(("sequence", batch.sequence))
    return counters
