"""How SQLite carries out each statement of `statements`: who needs it, and what it walks through.

The texts stay there. Here each name is called hot, which is on the way of a command or an answer
and must cost the same however many tasks there are, or rare, which a start, pruning or the doctor
runs. `headrace doctor --query-plans` shows what is found; it changes nothing.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Literal

import msgspec

from persistence import statements as sql

Heat = Literal["hot", "rare"]
Verdict = Literal["ok", "intended", "problem"]

_HOT = {
    "PUT_TASK": "enqueue, update, add_prerequisites",
    "PUT_COMMON_TASK": "enqueue",
    "MOVE_TASK": "claim, complete, fail, release, cancel",
    "TOUCH_TASK": "heartbeat",
    "PUT_COMMON_TASKS": "enqueue of many",
    "PUT_EDGE": "enqueue, update, add_prerequisites",
    "PUT_EDGES": "enqueue of many",
    "DROP_EDGES": "update, add_prerequisites",
    "PUT_ATTEMPT": "every end of an attempt",
    "PUT_ATTEMPT_AGAIN": "every end of an attempt, again after a failed commit",
    "PUT_DURATION": "complete",
    "PUT_PAUSED": "pause, resume, drain",
    "PUT_LIMIT": "set_limit, a claim under a rate",
    "DROP_LIMIT": "set_limit",
    "PUT_SCHEDULE": "every, a moment of a schedule",
    "DROP_SCHEDULE": "stop_schedule",
    "PUT_COUNTER": "every commit of an end",
    "PUT_RECEIPT": "a change from another process",
    "DROP_RECEIPTS": "a change from another process",
    "OWNER_EPOCH": "every transaction",
    "STATUSES": "an enqueue that names a finished prerequisite",
    "TASKS": "get, details, wait, list",
    "RESULTS": "claim of a task with prerequisites",
    "BY_KEYS": "enqueue with a key",
    "EDGES": "get, details, list, changes",
    "DEPENDENTS": "details",
    "FALLEN": "retry with its cascade",
    "ATTEMPTS": "details",
    "RECEIPT": "a change that is sent again",
    "CHANGES": "changes",
    "PAGES": "list",
    "LASTS": "list",
    "SIZES": "list",
}
_RARE = {
    "TABLES": "open, doctor",
    "TAKE_OVER": "open",
    "UNFINISHED_TASKS": "open",
    "UNFINISHED_EDGES": "open",
    "LANES": "open",
    "LIMITS": "open",
    "SCHEDULES": "open",
    "COUNTERS": "open, doctor",
    "LARGEST": "open",
    "NEWEST": "open",
    "EXAMINE": "prune",
    "NEEDED": "prune",
    "DROP_TASKS": "prune",
    "DROP_EDGES_OF": "prune",
    "DROP_ATTEMPTS_OF": "prune",
    "LOWER_COUNTER": "prune",
    "RAISE_PRUNED": "prune",
    "OBJECTS": "doctor",
    "EVERY_TASK": "doctor",
    "EVERY_EDGE": "doctor",
    "EVERY_ATTEMPT": "doctor",
    "NO_JSON": "doctor",
    "COUNTED": "doctor",
    "ORPHANED_EDGES": "doctor",
    "WAITING_FOR_NOBODY": "doctor",
    "BLOCKED_BY_NOTHING": "doctor",
    "STARTED_TOO_EARLY": "doctor",
    "OPEN_EDGES": "doctor",
}
# Whoever reads a whole table does so on purpose.
_INTENDED = {
    "LANES": "a row for each agent type; a start needs them all",
    "LIMITS": "a row for each limit; a start needs them all",
    "SCHEDULES": "a row for each schedule; a start needs them all",
    "COUNTERS": "fewer than ten rows",
    "EVERY_TASK": "looks whether each can be read",
    "EVERY_EDGE": "looks whether each can be read",
    "EVERY_ATTEMPT": "looks whether each can be read",
    "NO_JSON": "looks at the texts of every task",
    "COUNTED": "counts every task, to compare with the counters",
    "ORPHANED_EDGES": "looks for the task of every edge",
}

_WORDS = {"SELECT", "WITH", "INSERT", "UPDATE", "DELETE"}  # statements that have a plan
_SCAN = re.compile(r"SCAN (?:TABLE )?(\w+)")


class Statement(msgspec.Struct, frozen=True):
    """A statement of the store or the doctor; `intended`: why it may read a whole table."""

    name: str
    text: str
    heat: Heat
    used_by: str
    intended: str = ""


class QueryPlan(msgspec.Struct, frozen=True):
    """How a statement is carried out, in SQLite's words, and which of these steps are too slow.

    `problem`: the statement cannot be run on this file, or not at the cost it should have.
    """

    statement: Statement
    steps: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        if not self.faults:
            return "ok"
        return "intended" if self.statement.intended else "problem"


class Index(msgspec.Struct, frozen=True):
    """An index of the file and the statements whose plans use it; `text`: how it was made."""

    name: str
    text: str
    used_by: tuple[str, ...]


def texts() -> dict[str, str]:
    """All statements that have a plan, by name; those of pages are `PAGES.any` and so on."""
    found: dict[str, str] = {}
    for name, value in vars(sql).items():
        if name.startswith("_"):
            continue
        if isinstance(value, str):
            found[name] = value
        elif isinstance(value, Mapping):
            found |= {f"{name}.{window}": text for window, text in value.items()}
    return {name: text for name, text in found.items() if text.split()[0] in _WORDS}


def statements() -> list[Statement]:
    """What `texts` holds, with who needs it. Raises KeyError for one that is not listed here."""
    made: list[Statement] = []
    for name, text in texts().items():
        family = name.partition(".")[0]
        heat: Heat = "hot" if family in _HOT else "rare"
        used_by = _HOT[family] if family in _HOT else _RARE[family]
        made.append(Statement(name, text, heat, used_by, _INTENDED.get(family, "")))
    return made


def explain(connection: sqlite3.Connection) -> list[QueryPlan]:
    """The plan of every statement on this file; runs none of them."""
    tables = {name for _, name, _, _ in connection.execute(sql.OBJECTS)}
    return [_explained(connection, statement, tables) for statement in statements()]


def _explained(connection: sqlite3.Connection, statement: Statement, tables: set[str]) -> QueryPlan:
    try:
        steps = steps_of(connection, statement.text)
    except sqlite3.Error as error:  # such as an index that it names and the file has not
        return QueryPlan(statement, (), (str(error),))
    return QueryPlan(statement, steps, tuple(faults(statement.text, steps, tables)))


def steps_of(connection: sqlite3.Connection, text: str) -> tuple[str, ...]:
    """The lines of EXPLAIN QUERY PLAN. Raises sqlite3.Error."""
    named = re.findall(r":(\w+)", text)
    values = dict.fromkeys(named) if named else (None,) * text.count("?")
    rows = connection.execute(f"EXPLAIN QUERY PLAN {text}", values)
    return tuple(row[3] for row in rows)


def faults(text: str, steps: tuple[str, ...], tables: set[str]) -> Iterator[str]:
    """The steps that read a whole table or index, sort, or build an index for one use."""
    aliases = {alias: table for table, alias in re.findall(r"(\w+) AS (\w+)", text)}
    for step in steps:
        scanned = _SCAN.match(step)
        whole = scanned is not None and aliases.get(scanned[1], scanned[1]) in tables
        if whole or "TEMP B-TREE" in step or "AUTOMATIC" in step:
            yield step


def indexes(connection: sqlite3.Connection, plans: Sequence[QueryPlan] = ()) -> list[Index]:
    """The indexes beside the keys of the tables, by name, each with who reads it.

    Without that of the record of migrations, which is a row for each version of the schema.
    """
    return [
        Index(
            name,
            " ".join(text.split()),
            tuple(plan.statement.name for plan in plans if _uses(plan, name)),
        )
        for kind, name, table, text in sorted(connection.execute(sql.OBJECTS))
        if kind == "index" and text is not None and table != "_sqlite_migrations"
    ]


def _uses(plan: QueryPlan, index: str) -> bool:
    return any(re.search(rf"\b{re.escape(index)}\b", step) for step in plan.steps)


def has_statistics(connection: sqlite3.Connection) -> bool:
    """Whether somebody ran ANALYZE: the planner then believes what was true at that time."""
    return any(name == "sqlite_stat1" for _, name, _, _ in connection.execute(sql.OBJECTS))


def wanted_indexes() -> dict[str, str]:
    """How each index of the newest schema is made, by name."""
    from persistence.migrations import migrate  # sqlite-utils takes 0.1 s to import

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        return {index.name: index.text for index in indexes(connection)}
