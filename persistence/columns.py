"""What the columns that are read may hold: rows are proved before anything is made of them.

SQLite keeps no promise about the contents of a damaged file: any column may hold a value of any
kind, and an index may disagree with its table. What cannot be is told here, and not by an actor
that stumbles over it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta
from msgspec.structs import fields

from scheduler.domain.errors import StoreCorrupt
from scheduler.domain.ids import LARGEST
from scheduler.domain.limits import Limit
from scheduler.domain.recurrence import Schedule
from scheduler.domain.task import COLUMNS, LATEST, Attempt, Status, Task

Row = tuple[Any, ...]

Count = Annotated[int, Meta(ge=0, le=LARGEST)]
Moment = Annotated[float, Meta(ge=-LATEST, le=LATEST)]  # Unix seconds
PART = 1_000  # rows that are proved together
_DURATIONS = ("lease_s",)  # named like a moment
_FAULTY = re.compile(r"\[(\d+)\]`$")  # the place of a value in its row, as msgspec says it


class Columns:
    """Some columns of a table, in the order of a statement, and the type of each."""

    def __init__(self, table: str, types: Mapping[str, Any]) -> None:
        self._table = table
        self._names = tuple(types)
        row: Any = tuple.__class_getitem__(tuple(types.values()))  # only known at run time
        # msgspec remembers what it has found out about a struct, but not about a tuple.
        self._rows = msgspec.defstruct("Rows", [("rows", list[row])], array_like=True)

    def proved(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows, a status as Status. Raises StoreCorrupt. 0.3 us a row of a task."""
        rows = iter(rows)
        while part := list(islice(rows, PART)):
            try:
                yield from msgspec.convert((part,), self._rows).rows  # type: ignore[attr-defined]
            except msgspec.ValidationError as error:
                raise impossible(self._table, self._column_in(str(error))) from None

    def _column_in(self, message: str) -> str:
        found = _FAULTY.search(message)
        return self._names[int(found[1])] if found else "a column"


def impossible(table: str, column: str) -> StoreCorrupt:
    """The error for a value that headrace never writes. The value itself is not repeated."""
    return StoreCorrupt(
        f"a row of {table} holds in {column} what it cannot hold",
        hint="Stop every process that uses it, run `headrace doctor`, then restore a backup.",
    )


def _types(struct: type[msgspec.Struct], names: Iterable[str] | None = None) -> dict[str, Any]:
    """The columns of a struct whose fields stand in a row, with bounds for numbers."""
    types = {field.name: field.type for field in fields(struct)}
    wanted = types if names is None else names
    return {name: _bounded(name, types[name]) for name in wanted}


def _bounded(name: str, kind: Any) -> Any:
    optional = type(None) in get_args(kind)
    bare = next((part for part in get_args(kind) if part is not type(None)), kind)
    if kind is int or (optional and bare is int):
        bare = Count
    elif name.endswith("_s") and name not in _DURATIONS:
        bare = Moment
    else:
        return kind
    return bare | None if optional else bare


TASKS = Columns("tasks", _types(Task, COLUMNS))
ATTEMPTS = Columns("attempts", _types(Attempt))
EDGES = Columns("edges", {"task": Count, "prerequisite": Count, "must_succeed": Literal[0, 1]})
LANES = Columns(
    "lanes", {"agent_type": str, "mean_seconds": float, "count": Count, "paused": Literal[0, 1]}
)
LIMITS = Columns("limits", _types(Limit))
SCHEDULES = Columns(
    "schedules", _types(Schedule) | {"request": str, "anchor_s": float, "next_s": float}
)
COUNTERS = Columns("counters", {"name": str, "value": Count})
STATUSES = Columns("tasks", {"number": Count, "status": Status})
RESULTS = Columns("tasks", {"number": Count, "result_json": str})
NUMBER = Columns("tasks", {"number": Count | None})
EXAMINED = Columns(
    "tasks",
    {"number": Count, "status": Status, "finished_s": Moment | None, "sequence": Count},
)
