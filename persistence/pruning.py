"""Forgetting old finished tasks, a few at a time.

A task's own edges go with it. The edge of a finished task to a forgotten prerequisite stays
until that task goes too: it does no harm, and a retry still sees that it once waited.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable

import msgspec

from persistence import columns
from persistence import statements as sql
from persistence.store import Pruned
from persistence.writing import begin
from scheduler.domain.task import FINISHED


def prune(
    connection: sqlite3.Connection,
    epoch: int,
    created_before: int,
    finished_before: float,
    after: int,
    limit: int,
) -> Pruned:
    """One step, as `Store.prune` promises it; the caller rolls back after an error."""
    begin(connection, epoch)
    rows = connection.execute(sql.EXAMINE, (after, created_before, limit))
    examined = list(columns.EXAMINED.proved(rows))
    last = examined[-1][0] if len(examined) == limit else 0
    old = {
        number: (status, sequence)
        for number, status, finished, sequence in examined
        if status in FINISHED and finished is not None and finished < finished_before
    }
    for (number,) in connection.execute(sql.NEEDED, (_json(old),)).fetchall():
        old.pop(number, None)
    removed = Counter(status for status, _ in old.values())
    newest = max((sequence for _, sequence in old.values()), default=0)
    if old:
        for statement in (sql.DROP_TASKS, sql.DROP_EDGES_OF, sql.DROP_ATTEMPTS_OF):
            connection.execute(statement, (_json(old),))
        lower = [(count, str(status)) for status, count in removed.items()]
        connection.executemany(sql.LOWER_COUNTER, lower)
        connection.execute(sql.RAISE_PRUNED, (newest,))
    connection.execute(sql.COMMIT)
    return Pruned(last, dict(removed), newest)


def _json(numbers: Iterable[int]) -> str:
    return msgspec.json.encode(list(numbers)).decode()
