"""What a database file holds, read from outside by plain SQL, with a connection that cannot write.

On purpose none of the product's own code for reading is used here.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scheduler.domain.ids import encode

PATIENCE = 10.0  # seconds to wait for a lock, as while another process recovers the log

_TASKS = "SELECT id, description, key, status, result_json, error, cause_number FROM tasks"
_TOO_EARLY = """
    SELECT e.task, e.prerequisite, t.status, p.status
    FROM edges AS e JOIN tasks AS t ON t.id = e.task LEFT JOIN tasks AS p ON p.id = e.prerequisite
    WHERE t.status IN ('scheduled', 'ready', 'running', 'completed') AND p.status IS NOT 'completed'
        AND (e.must_succeed OR p.status IS NULL OR p.status NOT IN ('failed', 'cancelled'))"""
_ORPHANS = "SELECT task, prerequisite FROM edges WHERE task NOT IN (SELECT id FROM tasks)"
_ATTEMPTS = (
    "SELECT count(*), count(DISTINCT task || ' ' || attempt || ' ' || started_s) FROM attempts"
)


@dataclass(frozen=True)
class Row:
    """One task; `what` is the result of a completed one, the error of a fallen one."""

    name: str
    key: str | None
    status: str
    what: Any
    cause: str | None

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class File:
    """The tasks by id, and sentences on tasks that run or ran before what they wait for."""

    rows: dict[str, Row]
    broken_order: list[str]

    @property
    def unfinished(self) -> int:
        return sum(not row.ended for row in self.rows.values())


def read(database: Path) -> File:
    """One consistent view of the file. Raises sqlite3.Error."""
    with closing(_opened(database)) as connection:
        connection.execute("BEGIN")
        rows = {encode(number): _row(*rest) for number, *rest in connection.execute(_TASKS)}
        early = [
            f"{encode(task)} is {status}, and waits for {encode(need)}, which is {other}"
            for task, need, status, other in connection.execute(_TOO_EARLY)
        ]
        early += [f"an edge of {encode(task)} is left" for task, _ in connection.execute(_ORPHANS)]
        ((attempts, distinct),) = connection.execute(_ATTEMPTS)
        if attempts != distinct:
            early.append(f"{attempts - distinct} attempts are on record twice")
    return File(rows, early)


def ended_before(database: Path, moment: float) -> int:
    """How many tasks are on record that had ended by then (Unix seconds)."""
    with closing(_opened(database)) as connection:
        statement = "SELECT count(*) FROM tasks WHERE finished_s < ?"
        (count,) = connection.execute(statement, (moment,)).fetchone()
    return int(count)


def _opened(database: Path) -> sqlite3.Connection:
    where = f"{database.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(where, uri=True, timeout=PATIENCE, isolation_level=None)


def _row(
    name: str,
    key: str | None,
    status: str,
    result: str | None,
    error: str | None,
    cause: int | None,
) -> Row:
    what: Any = None
    if status == "completed" and result is not None:
        what = json.loads(result)
    elif status in ("failed", "cancelled"):
        what = error
    return Row(name, key, status, what, None if cause is None else encode(cause))
