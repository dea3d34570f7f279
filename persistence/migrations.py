"""How the schema came to be, one function a step. A step never changes once released.

Columns that are read for many rows stand in front of the texts, which may be long: to reach a
column, SQLite walks over everything before it. An index costs every write; each one here says
which question needs it. Nothing is indexed whose values are random.
"""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database, Migrations

from persistence import statements as sql

migrations = Migrations("headrace")


@migrations()
def tasks_edges_attempts(db: Database) -> None:
    """The first schema."""
    _create_tasks(db)
    db.create_table(
        "attempts",
        {
            "id": int,
            "task": int,
            "attempt": int,
            "started_s": float,
            "ended_s": float,
            "holder": str,
            "outcome": str,
            "error": str,
        },
        pk="id",
        not_null={"task", "attempt", "started_s", "ended_s", "holder", "outcome"},
    )
    db.table("attempts").create_index(["task"], "attempts_task")
    # A task's own edges lie together, and new tasks append: ids rise with time.
    db.execute(
        """CREATE TABLE edges (
            task INTEGER NOT NULL, prerequisite INTEGER NOT NULL, must_succeed INTEGER NOT NULL,
            PRIMARY KEY (task, prerequisite)) WITHOUT ROWID"""
    )
    db.table("edges").create_index(["prerequisite", "task", "must_succeed"], "edges_dependents")
    db.execute(
        """CREATE TABLE lanes (
            agent_type TEXT NOT NULL PRIMARY KEY, mean_seconds REAL NOT NULL DEFAULT 0,
            count INTEGER NOT NULL DEFAULT 0, paused INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID"""
    )
    db.execute(
        """CREATE TABLE counters (
            name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID"""
    )
    db.execute("INSERT INTO counters VALUES ('sequence', 0), ('pruned_sequence', 0)")


def _create_tasks(db: Database) -> None:
    numbers = {
        "id": int,
        "sequence": int,
        "revision": int,
        "base_priority": int,
        "priority": float,
        "attempt": int,
        "max_attempts": int,
        "dependency_depth": int,
        "parent": int,
        "cause_number": int,
        "created_s": float,
        "not_before_s": float,
        "ready_s": float,
        "started_s": float,
        "finished_s": float,
        "deadline_s": float,
        "estimated_duration": float,
        "timeout": float,
        "lease_s": float,
        "lease_expires_s": float,
        "progress": float,
    }
    texts = ("status", "source", "agent_type", "group", "key", "request_hash", "holder", "token")
    long_texts = ("summary", "note", "error", "description", "payload_json", "result_json")
    required = {"sequence", "revision", "base_priority", "priority", "attempt", "max_attempts"}
    required |= {"dependency_depth", "created_s", "estimated_duration"}
    required |= {"status", "source", "agent_type", "summary", "description"}
    columns = numbers | dict.fromkeys(texts + long_texts, str)
    db.create_table("tasks", columns, pk="id", not_null=required)
    db.table("tasks").create_index(["sequence"], "tasks_sequence")  # the change feed
    db.execute("CREATE UNIQUE INDEX tasks_key ON tasks (key) WHERE key IS NOT NULL")
    db.execute(  # loading, and pages of unfinished tasks
        "CREATE INDEX tasks_unfinished ON tasks (id) "
        "WHERE status = 'blocked' OR status = 'ready' OR status = 'running' OR status = 'scheduled'"
    )


@migrations()
def owners_and_receipts(db: Database) -> None:
    """Several processes take turns in owning the file, and repeat what they asked each other."""
    db.execute("INSERT INTO counters VALUES ('owner_epoch', 0)")
    # Requests rise with time: new ones append, and old ones are dropped as one range.
    db.execute(
        "CREATE TABLE receipts (request TEXT NOT NULL PRIMARY KEY, receipt TEXT NOT NULL) "
        "WITHOUT ROWID"
    )


@migrations()
def limits_and_schedules(db: Database) -> None:
    """Limits on what may run, work that recurs, and where a request was traced."""
    db.execute("ALTER TABLE tasks ADD COLUMN limit_key TEXT")
    db.execute("ALTER TABLE tasks ADD COLUMN traceparent TEXT")
    db.execute(
        """CREATE TABLE limits (
            kind TEXT NOT NULL, name TEXT NOT NULL, concurrency INTEGER, starts INTEGER, per REAL,
            burst INTEGER, weight REAL, full_s REAL NOT NULL,
            PRIMARY KEY (kind, name)) WITHOUT ROWID"""
    )
    db.execute(
        """CREATE TABLE schedules (
            name TEXT NOT NULL PRIMARY KEY, "when" TEXT NOT NULL, timezone TEXT NOT NULL,
            catch_up TEXT NOT NULL, deadline_after REAL, anchor_s REAL NOT NULL,
            next_s REAL NOT NULL, last_task INTEGER, request_json TEXT NOT NULL) WITHOUT ROWID"""
    )


@migrations()
def lists_by_status_and_group(db: Database) -> None:
    """A page of few tasks among a million finds them where they lie together."""
    # Loading, and pages by status. It costs an update hardly more than the one it replaces,
    # which SQLite rewrote as well whenever the status in its condition changed.
    db.execute("DROP INDEX tasks_unfinished")
    db.table("tasks").create_index(["status"], "tasks_status")
    # Pages by group; written once for each task, and only for those that have a group.
    db.execute('CREATE INDEX tasks_group ON tasks ("group") WHERE "group" IS NOT NULL')


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest schema, all or nothing."""
    database = Database(connection, recursive_triggers=False, execute_plugins=False)
    connection.execute(sql.BEGIN)
    try:
        migrations.apply(database)
        connection.execute(sql.MARK)
        connection.execute(sql.MARK_VERSION)
        connection.execute(sql.COMMIT)
    except BaseException:
        if connection.in_transaction:
            connection.execute(sql.ROLLBACK)
        raise
