"""Tasks and schedules as rows, and rows as these.

A row holds the fields of `Task` in their order (see there), so neither way names any of them.
What a row cannot hold, the edges, is read beside it and comes back in rising order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

import msgspec
from msgspec.structs import astuple

from persistence import columns
from persistence.columns import Row as Row
from persistence.columns import impossible
from scheduler.domain.errors import StoreCorrupt
from scheduler.domain.recurrence import Schedule
from scheduler.domain.request import Request
from scheduler.domain.task import (
    ASKED_COLUMNS,
    COLUMNS,
    COMMON_COLUMNS,
    RARE_COLUMNS,
    Status,
    Task,
)

EdgeRow = tuple[int, int, int]  # task, prerequisite, must_succeed
EdgesOf = dict[int, tuple[tuple[int, ...], tuple[int, ...]]]  # task: requires, follows

_ASKED, _WIDTH = len(ASKED_COLUMNS), len(COLUMNS)
_STATUS = COLUMNS.index("status")
_common = itemgetter(*map(COLUMNS.index, COMMON_COLUMNS))
_rare = itemgetter(*map(COLUMNS.index, RARE_COLUMNS))
_NOTHING_RARE = (None,) * len(RARE_COLUMNS)
_NO_EDGES: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
# What a task of each status always has.
_NEEDS = {
    Status.BLOCKED: (),
    Status.SCHEDULED: ("not_before_s",),
    Status.READY: ("ready_s",),
    Status.RUNNING: ("holder", "token", "started_s", "lease_s", "lease_expires_s"),
    Status.COMPLETED: ("finished_s",),
    Status.FAILED: ("finished_s",),
    Status.CANCELLED: ("finished_s",),
}
_needs = {  # with a column that is never empty before them: else one alone would be no tuple
    status: itemgetter(0, 0, *map(COLUMNS.index, names)) for status, names in _NEEDS.items()
}
_REQUEST = Schedule.__struct_fields__.index("request")
_decode_request = msgspec.json.Decoder(Request).decode


def whole_row(task: Task, sequence: int) -> Row:
    """For PUT_TASK."""
    return (*astuple(task)[:_WIDTH], sequence)


def whole_rows(tasks: Iterable[Task], sequences: Mapping[int, int]) -> tuple[list[Row], list[Row]]:
    """For PUT_COMMON_TASK, and for PUT_TASK those that it has no room for."""
    common: list[Row] = []
    full: list[Row] = []
    for task in tasks:
        values = astuple(task)
        if _rare(values) == _NOTHING_RARE:
            common.append(_common(values) + (sequences[task.number],))  # noqa: RUF005 - faster
        else:
            full.append((*values[:_WIDTH], sequences[task.number]))
    return common, full


def moved_row(task: Task, sequence: int) -> Row:
    """For MOVE_TASK."""
    return (*astuple(task)[_ASKED:_WIDTH], sequence, task.number)


def touched_row(task: Task) -> Row:
    """For TOUCH_TASK."""
    return (*astuple(task)[_ASKED:_WIDTH], task.number)


def edge_rows(task: Task) -> list[EdgeRow]:
    """For PUT_EDGE. Of two edges to one prerequisite the one that must succeed comes last."""
    number = task.number
    rows = [(number, prerequisite, 0) for prerequisite in task.follows]
    rows += [(number, prerequisite, 1) for prerequisite in task.requires]
    return rows


def edges_of(rows: Iterable[EdgeRow]) -> EdgesOf:
    """Edges gathered by task. Raises StoreCorrupt for rows that cannot be."""
    lists: dict[int, tuple[list[int], list[int]]] = {}
    for number, prerequisite, must_succeed in columns.EDGES.proved(rows):
        edges = lists.get(number)
        if edges is None:
            edges = lists[number] = ([], [])
        edges[0 if must_succeed else 1].append(prerequisite)
    return {number: (tuple(needs), tuple(after)) for number, (needs, after) in lists.items()}


def tasks_of(rows: Iterable[Row], edges: EdgesOf) -> list[Task]:
    """The tasks that rows in the order of COLUMNS stand for; StoreCorrupt if they cannot be."""
    # mypy counts each star as at least one value more than there is room for.
    return [Task(*row, *edges.get(row[0], _NO_EDGES)) for row in each_task(rows)]  # type: ignore[call-arg]


def each_task(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows in the order of COLUMNS, proved."""
    for row in columns.TASKS.proved(rows):
        status = row[_STATUS]
        if None in _needs[status](row):
            raise impossible("tasks", f"status {status}, or beside it,")
        yield row


def schedule_row(schedule: Schedule) -> Row:
    """For PUT_SCHEDULE.

    A field that Request gains later needs a default, or older rows cannot be read any more.
    """
    row = list(astuple(schedule))
    row[_REQUEST] = msgspec.json.encode(schedule.request).decode()
    return tuple(row)


def counters_of(rows: Iterable[Row]) -> dict[str, int]:
    """From rows of COUNTERS; StoreCorrupt if one of those that are always there is not."""
    counters: dict[str, int] = dict(columns.COUNTERS.proved(rows))
    if not counters.keys() >= {"sequence", "pruned_sequence"}:
        raise impossible("counters", "its rows")
    return counters


def schedules_of(rows: Iterable[Row]) -> list[Schedule]:
    """From rows of SCHEDULES; StoreCorrupt if there can be none such."""
    return [_schedule(list(row)) for row in columns.SCHEDULES.proved(rows)]


def _schedule(values: list[Any]) -> Schedule:
    try:
        values[_REQUEST] = _decode_request(values[_REQUEST])
    except msgspec.MsgspecError as error:
        raise StoreCorrupt(
            f"what a schedule makes cannot be read: {error}",
            hint="Delete its row from the table schedules, and set it up anew.",
        ) from None
    return Schedule(*values)
