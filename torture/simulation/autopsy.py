"""Looks at the file between two lives of the scheduler, with plain SQL, and compares it with the
ledger: nothing lost, nothing made twice, nothing dangling, no circle, nothing too early.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass

from persistence import invariants
from scheduler.domain.task import FINISHED, Status
from torture.disk import Disk, Mounted
from torture.simulation.broken import Broken
from torture.simulation.facts import Told
from torture.simulation.ledger import EVERY, Ledger, name

STARTABLE = frozenset({Status.READY, Status.RUNNING, Status.SCHEDULED})


@dataclass(frozen=True, slots=True)
class Row:
    """A task as it stands in the file."""

    number: int
    revision: int
    told: Told
    name: str
    key: str | None
    token: str | None


@dataclass(frozen=True, slots=True)
class Body:
    """What is in the file. `edges`: (task, prerequisite, must succeed)."""

    rows: dict[int, Row]
    edges: list[tuple[int, int, bool]]
    paused: dict[str, bool]


def opened(disk: Disk, path: str) -> Body | None:
    """Read the file as a start would find it, from a copy; None if there is none yet.

    Raises Broken if it is damaged, or contradicts itself by the product's own rules.
    """
    with Mounted(disk.copy()) as mounted:
        if not mounted.disk.exists(path):
            return None
        with closing(sqlite3.connect(f"file:{path}?vfs={mounted.name}", uri=True)) as connection:
            try:
                return _read(connection)
            except sqlite3.DatabaseError as error:
                raise Broken("P6", f"the file is damaged: {error!r}") from error


def _read(connection: sqlite3.Connection) -> Body | None:
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return None
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise Broken("P6", f"the file is damaged: {verdict}")
    for finding in invariants.check(connection):
        if finding.severity == "problem":
            raise Broken("P5", f"in the file: {finding.what}")
    tasks = connection.execute(
        "SELECT id, revision, status, base_priority, attempt, agent_type, description, key, token"
        " FROM tasks"
    )
    rows = {
        number: Row(number, revision, (Status(status), *facts), name, key, token)
        for number, revision, status, *facts, name, key, token in tasks
    }
    edges = connection.execute("SELECT task, prerequisite, must_succeed FROM edges").fetchall()
    paused = dict(connection.execute("SELECT agent_type, paused FROM lanes").fetchall())
    return Body(rows, edges, {lane: bool(value) for lane, value in paused.items()})


def examine(ledger: Ledger, body: Body) -> None:
    """Everything that clients were told must be in the file."""
    _nothing_lost(ledger, body)
    _nothing_twice(ledger, body)
    _whole_batches(ledger, body)
    _edges(ledger, body)
    for lane, paused in sorted(ledger.lanes.items()):
        if not ledger.lane_doubts[lane] and body.paused.get(lane, False) != paused:
            raise Broken("P1", f"lane {lane} should be {'paused' if paused else 'open'}")


def _nothing_lost(ledger: Ledger, body: Body) -> None:
    for number, known in ledger.known.items():
        row = body.rows.get(number)
        if row is None:
            if not ledger.prunable(known):
                raise Broken("P1", f"{name(known)} is lost")
            continue
        if row.revision < known.revision:
            raise Broken("P1", f"{name(known)} went back: {known.revision}, {row}")
        if row.revision == known.revision and known.facts not in (None, row.told):
            raise Broken("P1", f"{name(known)} differs: {known.facts}, {row}")
        if row.revision > known.revision and known.completed:
            raise Broken("P1", f"{name(known)} had completed: {row}")
        hold = known.hold
        if hold is not None and row.revision == hold.revision and row.token != hold.token:
            raise Broken("P3", f"{name(known)} is not held by {hold}")


def _nothing_twice(ledger: Ledger, body: Body) -> None:
    for row in body.rows.values():
        wish = ledger.wishes.get(row.name)
        if wish is None:
            if not row.name.startswith(EVERY):
                raise Broken("P2", f"nobody asked for {row}")
            continue
        if wish.refused and not wish.unknown and not wish.pending and wish.number is None:
            raise Broken("P6", f"{row} was refused")
    for what in ("name", "key"):
        counted = Counter(getattr(row, what) for row in body.rows.values())
        for value, count in counted.items():
            if count > 1 and value is not None and not value.startswith(EVERY):
                raise Broken("P2", f"{count} tasks have the {what} {value}")
    for wish in ledger.wishes.values():
        if wish.number is not None and wish.number not in body.rows:
            known = ledger.known.get(wish.number)
            if known is not None and not ledger.prunable(known):
                raise Broken("P1", f"{wish} is not there")


def _whole_batches(ledger: Ledger, body: Body) -> None:
    if ledger.forgets:
        return
    names = {row.name for row in body.rows.values()}
    for batch in {wish.together for wish in ledger.wishes.values() if len(wish.together) > 1}:
        made = sum(one in names for one in batch)
        if 0 < made < len(batch):
            raise Broken("P1", f"{made} of a batch of {len(batch)} are there: {batch}")


def _edges(ledger: Ledger, body: Body) -> None:
    requires: dict[int, set[int]] = {}
    follows: dict[int, set[int]] = {}
    for task, other, must in body.edges:
        if task not in body.rows or (other not in body.rows and not ledger.forgets):
            raise Broken("P5", f"a dangling edge from {task} to {other}")
        (requires if must else follows).setdefault(task, set()).add(other)
    for number, known in ledger.known.items():
        if number in body.rows and not known.requires <= requires.get(number, set()):
            raise Broken("P5", f"{name(known)} lost prerequisites {known.requires}")
    _no_circle(
        (task, other)
        for task, other, _ in body.edges
        if body.rows[task].told[0] is Status.BLOCKED  # what was met once stays met
        and other in body.rows
        and body.rows[other].told[0] not in FINISHED
    )
    for row in body.rows.values():
        _nothing_too_early(ledger, body.rows, row, requires, follows)


def _nothing_too_early(
    ledger: Ledger,
    rows: Mapping[int, Row],
    row: Row,
    requires: Mapping[int, set[int]],
    follows: Mapping[int, set[int]],
) -> None:
    status = row.told[0]
    before = [rows[other] for other in requires.get(row.number, ()) if other in rows]
    if status in STARTABLE or status is Status.COMPLETED:
        for other in before:
            if other.told[0] is not Status.COMPLETED:
                raise Broken("P5", f"{row} may start before {other}")
        for number in () if ledger.reopening else follows.get(row.number, ()):
            known, after = ledger.known.get(number), rows.get(number)
            open_yet = after is not None and after.told[0] not in FINISHED
            if open_yet and known is not None and not known.retried:
                raise Broken("P5", f"{row} may start before {after} has ended")
    if status is Status.BLOCKED:
        for other in before:
            if other.told[0] in (Status.FAILED, Status.CANCELLED):
                raise Broken("P5", f"{row} waits for {other}, which will never succeed")


def _no_circle(edges: Iterable[tuple[int, int]]) -> None:
    """Take away what waits for nothing, again and again: nothing may be left."""
    waits: dict[int, int] = {}
    dependents: dict[int, list[int]] = {}
    for task, other in edges:
        waits[task] = waits.get(task, 0) + 1
        dependents.setdefault(other, []).append(task)
    free = [number for number in dependents if number not in waits]
    while free:
        for task in dependents.get(free.pop(), ()):
            waits[task] -= 1
            if not waits[task]:
                free.append(task)
    stuck = sorted(task for task, count in waits.items() if count)
    if stuck:
        raise Broken("P5", f"{stuck} wait for each other in a circle")


def forgive(ledger: Ledger, body: Body | None) -> int:
    """The file may have gone back to an earlier moment: see that it is one, and start from there.

    Returns how many changes of which clients had heard are gone.
    """
    rows = {} if body is None else body.rows
    gone = {
        number: known
        for number, known in ledger.known.items()
        if (number not in rows and not ledger.prunable(known))
        or (number in rows and rows[number].revision < known.revision)
    }
    missing = [known.heard for number, known in gone.items() if number not in rows]
    if missing:
        _must_be_a_prefix(ledger, rows, min(missing))
    for number, known in list(ledger.known.items()):
        row = rows.get(number)
        if row is None:
            del ledger.known[number]
        elif number in gone:
            known.revision, known.facts = row.revision, row.told
            known.completed = row.told[0] is Status.COMPLETED
            known.completing = 0
    for wish in ledger.wishes.values():
        if wish.number is not None and wish.number not in rows:
            wish.number, wish.unknown = None, True
            if wish.key is not None:
                ledger.keys.pop(wish.key, None)
    ledger.rewind()
    return len(gone)


def _must_be_a_prefix(ledger: Ledger, rows: Mapping[int, Row], lost: int) -> None:
    """What was asked for after the answer to what is lost must be lost, too."""
    for number in rows:
        known = ledger.known.get(number)
        if known is not None and known.sent > lost:
            raise Broken(
                "P1", f"{name(known)} is there, and what was told before it was sent is not"
            )
