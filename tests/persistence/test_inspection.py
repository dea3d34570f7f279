"""What the doctor sees, and that it changes nothing."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from persistence import inspection
from persistence import statements as sql
from persistence.inspection import Finding, inspect
from persistence.migrations import migrations
from persistence.sqlite import SQLiteStore, open_sqlite
from scheduler.domain.task import Status
from tests.support.journal import Journal, make_task

BLOCKED, READY, COMPLETED = Status.BLOCKED, Status.READY, Status.COMPLETED


def bad(findings: list[Finding]) -> list[str]:
    return [finding.what for finding in findings if finding.severity != "ok"]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def healthy(sqlite: SQLiteStore) -> Journal:
    journal = Journal(sqlite)
    journal.insert(
        make_task(1, COMPLETED),
        make_task(2, Status.RUNNING, requires=(1,)),
        make_task(3, BLOCKED, requires=(2,), follows=(1,)),
        make_task(4, Status.FAILED, requires=(99,)),
        make_task(5, READY, follows=(4,)),
    ).commit()
    return journal


def test_a_healthy_file_in_use(healthy: Journal) -> None:
    """It is read beside its owner, log included, and the owner is named."""
    findings = inspect(healthy.store.location)
    assert bad(findings) == []
    assert f"process {os.getpid()} has it" in [finding.what for finding in findings]
    assert "the counters agree with the 5 tasks" in [finding.what for finding in findings]
    healthy.insert(make_task(6)).commit()


def test_a_disk_without_room_is_a_problem(
    healthy: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler could not write there."""
    monkeypatch.setattr(inspection, "LITTLE_ROOM", 1 << 80)
    assert [what.split()[-2:] for what in bad(inspect(healthy.store.location))] == [
        ["bytes", "left"]
    ]


def test_a_healthy_file_at_rest(healthy: Journal, tmp_path: Path) -> None:
    """Not a byte changes, and no file is made."""
    healthy.store.close()
    before = contents(tmp_path)
    assert bad(inspect(healthy.store.location)) == []
    assert contents(tmp_path) == before


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """It is not made."""
    assert bad(inspect(str(tmp_path / "no.db"))) == [f"there is no file {tmp_path / 'no.db'}"]
    assert list(tmp_path.iterdir()) == []


def test_other_files(path: str) -> None:
    """What is no database, what is another's, and what is still empty."""
    Path(path).touch(mode=0o600)
    assert bad(inspect(path)) == []
    Path(path).write_text("x" * 5_000)
    assert bad(inspect(path)) == [
        "the file is no SQLite database (SQLITE_NOTADB: file is not a database)"
    ]
    os.remove(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE things (id INTEGER PRIMARY KEY)")
    os.chmod(path, 0o640)
    assert bad(inspect(path)) == [
        "others may read it (mode 640)",
        "the file is a database of another program",
    ]


def test_a_newer_schema(healthy: Journal, path: str) -> None:
    """The doctor of an older version does not judge it."""
    healthy.store.close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute(f"PRAGMA user_version = {sql.SCHEMA_VERSION + 1}")
    assert len(bad(inspect(path))) == 1


def test_damage(path: str) -> None:
    """SQLite's own check is part of it."""
    with closing(open_sqlite(path)) as store:
        Journal(store).insert(*(make_task(n) for n in range(1, 2_000))).commit()
    with open(path, "r+b") as file:
        file.seek(20 * 4_096)
        file.write(bytes(8 * 4_096))
    assert any("damaged" in what for what in bad(inspect(path)))


def test_what_was_met_once_closes_no_circle(healthy: Journal) -> None:
    """An open task does not wait, also if what it waited for was re-opened and waits for it."""
    healthy.insert(make_task(6, READY, follows=(7,)), make_task(7, BLOCKED, follows=(6,))).commit()
    assert bad(inspect(healthy.store.location)) == []


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ("DELETE FROM tasks WHERE id = 4", "1 edges belong to a task that is not there"),
        ("UPDATE tasks SET status = 'blocked' WHERE id = 5", "wait for nothing unfinished"),
        (
            "UPDATE tasks SET status = 'ready', ready_s = 1 WHERE id = 3",
            "could start before prerequisites",
        ),
        ("UPDATE edges SET must_succeed = 1 WHERE task = 5", "could start before prerequisites"),
        ("UPDATE tasks SET token = NULL WHERE id = 2", "in status running, or beside it"),
        ("DELETE FROM tasks WHERE id = 1", "name a prerequisite that was pruned"),
        ("INSERT INTO edges VALUES (3, 3, 1)", "wait for each other in a circle"),
        ("UPDATE counters SET value = 7 WHERE name = 'completed'", "completed 7 instead of 1"),
    ],
)
def test_broken_invariants(healthy: Journal, path: str, damage: str, fault: str) -> None:
    """Each rule is checked, and what breaks it is found."""
    healthy.store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.execute(damage)
    assert any(fault in what for what in bad(inspect(path))), bad(inspect(path))


def test_surroundings_that_will_not_do(
    healthy: Journal, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system, rights that lack, and a log that some reader keeps from shrinking."""
    monkeypatch.setattr(inspection, "file_system", lambda path: "nfs4")
    monkeypatch.setattr(inspection, "LARGE_WAL", 10)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    whats = bad(inspect(path))
    assert "it lies on a network file system (nfs4)" in whats
    assert sum(what.startswith("this user cannot write") for what in whats) == 2
    assert any(what.startswith("the write-ahead log has") for what in whats)
    healthy.store.close()


def test_an_old_schema(path: str) -> None:
    """It is no problem: the next opening brings it up to date."""
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        migrations.apply(Database(older), stop_before="limits_and_schedules")
        older.execute(f"PRAGMA application_id = {sql.APPLICATION_ID}")
        older.execute("PRAGMA user_version = 2")
    os.chmod(path, 0o600)
    assert bad(inspect(path)) == ["its schema 2 is an old one"]
