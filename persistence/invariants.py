"""What must be true of the tasks in a file at every commit, checked by reading all of them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from persistence import columns, rows
from persistence import statements as sql
from scheduler.domain import ids
from scheduler.domain.errors import StoreCorrupt
from scheduler.domain.task import FINISHED

EXAMPLES = 3
_REPORT = "Stop the scheduler, keep a copy of the file, and report it as a bug of headrace."
_RESTORE = "Stop what uses it and restore a backup."
_RESTART = "Restart the scheduler: it derives every status anew. Report it as a bug of headrace."

Severity = Literal["ok", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. `advice` is empty when all is well."""

    severity: Severity
    what: str
    advice: str = ""


_TABLES = (
    (columns.EDGES, sql.EVERY_EDGE),
    (columns.ATTEMPTS, sql.EVERY_ATTEMPT),
    (columns.LANES, sql.LANES),
    (columns.LIMITS, sql.LIMITS),
)
_RULES: tuple[tuple[str, Severity, str, str, str], ...] = (
    (sql.NO_JSON, "problem", "task", "have a payload or result that is no JSON", _RESTORE),
    (sql.ORPHANED_EDGES, "problem", "edge", "belong to a task that is not there", _REPORT),
    (sql.BLOCKED_BY_NOTHING, "problem", "blocked task", "wait for nothing unfinished", _RESTART),
    (sql.STARTED_TOO_EARLY, "problem", "task", "could start before prerequisites", _RESTART),
    # A task that is tried again long after it ended may outlive what it waited for.
    (
        sql.WAITING_FOR_NOBODY,
        "warning",
        "unfinished task",
        "name a prerequisite that was pruned",
        "It had finished; it counts as met.",
    ),
)


def check(connection: sqlite3.Connection) -> Iterator[Finding]:
    """One finding a rule. O(tasks + edges)."""
    try:
        _read_every_row(connection)
    except StoreCorrupt as error:
        yield Finding("problem", error.message, _RESTORE)
        return  # the rules are about values that can be
    yield Finding("ok", "every row can be read")
    for statement, severity, noun, fault, advice in _RULES:
        numbers = [number for (number,) in connection.execute(statement)]
        yield _finding(numbers, severity, noun, fault, advice)
    stuck = in_circles(connection.execute(sql.OPEN_EDGES))
    yield _finding(stuck, "problem", "task", "wait for each other in a circle", _REPORT)
    yield _counters(connection)


def _read_every_row(connection: sqlite3.Connection) -> None:
    """Raise StoreCorrupt for the first one that headrace cannot have written."""
    execute = connection.execute
    for _ in rows.each_task(execute(sql.EVERY_TASK)):
        pass
    for kind, statement in _TABLES:
        for _ in kind.proved(execute(statement)):
            pass
    rows.counters_of(execute(sql.COUNTERS))
    rows.schedules_of(execute(sql.SCHEDULES))


def _finding(
    numbers: Iterable[int], severity: Severity, noun: str, fault: str, advice: str
) -> Finding:
    found = sorted(set(numbers))
    if not found:
        return Finding("ok", f"no {noun}s that {fault}")
    examples = ", ".join(map(ids.encode, found[:EXAMPLES]))
    return Finding(severity, f"{len(found)} {noun}s {fault}, such as {examples}", advice)


def in_circles(edges: Iterable[tuple[int, int]]) -> set[int]:
    """The tasks that wait, through others, for a circle or are in one; edges: (task, waits for).

    >>> sorted(in_circles([(1, 2), (2, 1), (3, 1), (5, 4)]))
    [1, 2, 3]
    """
    waits: Counter[int] = Counter()
    dependents: dict[int, list[int]] = {}
    for task, prerequisite in edges:
        waits[task] += 1
        dependents.setdefault(prerequisite, []).append(task)
    free = [number for number in dependents if number not in waits]
    while free:
        for task in dependents.get(free.pop(), ()):
            waits[task] -= 1
            if not waits[task]:
                free.append(task)
    return {task for task, count in waits.items() if count}


def _counters(connection: sqlite3.Connection) -> Finding:
    counters = dict(connection.execute(sql.COUNTERS))
    counted = dict(connection.execute(sql.COUNTED))
    wrong = [
        f"{status} {counters.get(status, 0)} instead of {counted.get(status, 0)}"
        for status in map(str, sorted(FINISHED))
        if counters.get(status, 0) != counted.get(status, 0)
    ]
    if wrong:
        return Finding("problem", f"counters are wrong: {', '.join(wrong)}", _REPORT)
    return Finding("ok", f"the counters agree with the {sum(counted.values()):,} tasks")
