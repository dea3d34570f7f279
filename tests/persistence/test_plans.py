"""How SQLite carries out each statement: by look-ups, never by reading a whole table."""

from __future__ import annotations

import re
import sqlite3

import pytest

from persistence import statements as sql
from persistence.sqlite import SQLiteStore

READS_EVERYTHING = {"COUNTED", "ORPHANED_EDGES"}  # for the doctor, on purpose
STATEMENTS = {
    name: text
    for name, text in vars(sql).items()
    if not name.startswith("_")
    and isinstance(text, str)
    and text.split()[0] in {"SELECT", "WITH", "INSERT", "UPDATE", "DELETE"}
}
BIG = re.compile(
    r"SCAN (tasks|edges|attempts|t|e|p)\b(?! USING (COVERING )?INDEX tasks_unfinished)"
)


def plan(connection: sqlite3.Connection, text: str) -> list[str]:
    named = re.findall(r":(\w+)", text)
    values = dict.fromkeys(named) if named else (None,) * text.count("?")
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]


def faults(steps: list[str]) -> list[str]:
    return [step for step in steps if BIG.search(step) or "TEMP B-TREE" in step]


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - READS_EVERYTHING))
def test_no_statement_scans_or_sorts(sqlite: SQLiteStore, name: str) -> None:
    """Every big table is reached by its key or an index, in the order that is asked for."""
    assert faults(plan(sqlite._connection, STATEMENTS[name])) == []


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM tasks WHERE holder = ?",
        "SELECT count(*) FROM tasks",
        "SELECT e.task FROM edges AS e WHERE e.must_succeed = ?",
        "SELECT id FROM tasks WHERE id > ? ORDER BY priority",
    ],
)
def test_a_slow_statement_is_recognized(sqlite: SQLiteStore, text: str) -> None:
    """The test above can fail."""
    assert faults(plan(sqlite._connection, text)) != []


def test_all_statements_are_seen() -> None:
    """None hides under a name or a verb that is not looked for."""
    assert {"PUT_TASK", "MOVE_TASK", "FALLEN", "PAGE", "DROP_TASKS", "CHANGES"} <= set(STATEMENTS)
