# ruff: noqa: S608 - composed of names of this project only, once, at import
"""Every SQL statement that the store and the doctor run; the schema itself is in `migrations`.

Columns are named after the fields of `Task`, but for `number`, which is SQLite's `id`. Lists of
ids travel as one JSON text (`json_each`), so no statement has a limit on their number. The plan
of each statement is pinned down by tests/persistence/test_query_plans.py; `query_plans` says
who needs each of them, and the doctor shows how SQLite carries it out.
"""

from __future__ import annotations

from scheduler.domain.task import (
    ASKED_COLUMNS,
    COLUMNS,
    COMMON_COLUMNS,
    STATE_COLUMNS,
    UNFINISHED,
    Status,
)

APPLICATION_ID = 0x68647263  # "hdrc", in the header of every file
SCHEMA_VERSION = 4


def _names(fields: tuple[str, ...]) -> list[str]:
    return ['"group"' if name == "group" else "id" if name == "number" else name for name in fields]


_ALL = ", ".join(_names(COLUMNS))
_OF_ROW = ", ".join(["t.id", *(f"r.{name}" for name in _names(COLUMNS)[1:])])
_STATE = ", ".join(f"{name} = ?" for name in _names(STATE_COLUMNS))
_REPLACED = ", ".join(
    f"{name} = excluded.{name}"
    for name in (*_names(ASKED_COLUMNS)[1:], *_names(STATE_COLUMNS), "sequence")
)

_OPEN = ", ".join(f"'{status}'" for status in sorted(UNFINISHED))
_OPEN_EDGES = f"""
    FROM tasks AS t INDEXED BY tasks_status
    CROSS JOIN edges AS e ON e.task = t.id
    LEFT JOIN tasks AS p ON p.id = e.prerequisite
    WHERE t.status IN ({_OPEN})"""
_GIVEN = "(SELECT value FROM json_each(?))"

# ------------------------------------------------------------- transactions and the file

BEGIN = "BEGIN IMMEDIATE"
BEGIN_READING = "BEGIN"
COMMIT = "COMMIT"
ROLLBACK = "ROLLBACK"
CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"  # the log is overwritten then, cheaper than regrown
WHOSE = "PRAGMA application_id"
VERSION = "PRAGMA user_version"
MARK = f"PRAGMA application_id = {APPLICATION_ID}"
MARK_VERSION = f"PRAGMA user_version = {SCHEMA_VERSION}"
TABLES = "SELECT count(*) FROM sqlite_master"
USE_WAL = "PRAGMA journal_mode = WAL"
SYNCED = ("PRAGMA synchronous = FULL", "PRAGMA fullfsync = ON")  # the second matters on macOS
UNSYNCED = ("PRAGMA synchronous = NORMAL",)
SETTINGS = (
    "PRAGMA foreign_keys = OFF",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16000",  # KiB
    "PRAGMA wal_autocheckpoint = 0",  # the persister says when
)

# ------------------------------------------------------------- writing


def _put(columns: tuple[str, ...], rows: int = 1) -> str:
    """An insert may repeat one whose commit failed with an unknown outcome: it replaces the row."""
    names, row = ", ".join(_names(columns)), ", ".join("?" * (len(columns) + 1))
    return f"""
    INSERT INTO tasks ({names}, sequence) VALUES {", ".join([f"({row})"] * rows)}
    ON CONFLICT (id) DO UPDATE SET {_REPLACED}"""


def _put_edges(rows: int) -> str:
    values = ", ".join(["(?, ?, ?)"] * rows)
    return f"INSERT OR REPLACE INTO edges (task, prerequisite, must_succeed) VALUES {values}"


PUT_TASK = _put(COLUMNS)
PUT_COMMON_TASK = _put(COMMON_COLUMNS)  # the other columns are NULL; binding that takes 2 to 6 us
TOGETHER = 20  # rows that one statement puts; with one row each they take 1.5 us more a task
PUT_COMMON_TASKS = _put(COMMON_COLUMNS, TOGETHER)
MOVE_TASK = f"UPDATE tasks SET {_STATE}, sequence = ? WHERE id = ?"
TOUCH_TASK = f"UPDATE tasks SET {_STATE} WHERE id = ?"
PUT_EDGE, PUT_EDGES = _put_edges(1), _put_edges(TOGETHER)
DROP_EDGES = "DELETE FROM edges WHERE task = ?"
PUT_ATTEMPT = """
    INSERT INTO attempts (task, attempt, holder, started_s, ended_s, outcome, error)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""
# An attempt has no key of its own to know it again by.
PUT_ATTEMPT_AGAIN = """
    INSERT INTO attempts (task, attempt, holder, started_s, ended_s, outcome, error)
    SELECT * FROM (
        SELECT ? AS task, ? AS attempt, ? AS holder, ? AS started_s, ? AS ended_s,
            ? AS outcome, ? AS error
    ) AS new
    WHERE NOT EXISTS (
        SELECT 1 FROM attempts AS a
        WHERE a.task = new.task AND a.attempt = new.attempt AND a.holder = new.holder
            AND a.started_s = new.started_s AND a.ended_s = new.ended_s
            AND a.outcome = new.outcome AND a.error IS new.error)"""
PUT_DURATION = """
    INSERT INTO lanes (agent_type, mean_seconds, count) VALUES (?, ?, ?)
    ON CONFLICT (agent_type) DO UPDATE SET
        mean_seconds = excluded.mean_seconds, count = excluded.count"""
PUT_PAUSED = """
    INSERT INTO lanes (agent_type, paused) VALUES (?, ?)
    ON CONFLICT (agent_type) DO UPDATE SET paused = excluded.paused"""
PUT_LIMIT = """
    INSERT OR REPLACE INTO limits (kind, name, concurrency, starts, per, burst, weight, full_s)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
DROP_LIMIT = "DELETE FROM limits WHERE kind = ? AND name = ?"
_SCHEDULE = (
    'name, "when", timezone, catch_up, deadline_after, request_json, anchor_s, next_s, last_task'
)
PUT_SCHEDULE = f"""
    INSERT OR REPLACE INTO schedules ({_SCHEDULE})
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
DROP_SCHEDULE = "DELETE FROM schedules WHERE name = ?"
PUT_COUNTER = "INSERT OR REPLACE INTO counters (name, value) VALUES (?, ?)"
PUT_RECEIPT = "INSERT OR REPLACE INTO receipts (request, receipt) VALUES (?, ?)"
DROP_RECEIPTS = "DELETE FROM receipts WHERE request < ?"

# ------------------------------------------------------------- who owns the file

TAKE_OVER = "UPDATE counters SET value = value + 1 WHERE name = 'owner_epoch' RETURNING value"
OWNER_EPOCH = "SELECT value FROM counters WHERE name = 'owner_epoch'"

# ------------------------------------------------------------- loading


def _of_unfinished(select: str, order: str) -> str:
    """Four ranges of an index, merged as they come: `status IN (…)` would sort what it found."""
    ranges = (f"{select} WHERE t.status = '{status}'" for status in sorted(UNFINISHED))
    return " UNION ALL ".join(ranges) + f" ORDER BY {order}"


# The status is that of the row: beside a damaged index a finished task would run again.
UNFINISHED_TASKS = _of_unfinished(
    f"""
    SELECT {_OF_ROW} FROM tasks AS t INDEXED BY tasks_status
    CROSS JOIN tasks AS r ON r.id = t.id""",
    "1",
)
UNFINISHED_EDGES = _of_unfinished(
    """
    SELECT t.id AS task, e.prerequisite AS prerequisite, e.must_succeed
    FROM tasks AS t INDEXED BY tasks_status CROSS JOIN edges AS e ON e.task = t.id""",
    "task, prerequisite",
)
LANES = "SELECT agent_type, mean_seconds, count, paused FROM lanes"
LIMITS = """
    SELECT kind, name, concurrency, starts, per, burst, weight, full_s FROM limits
    ORDER BY kind, name"""
SCHEDULES = f"SELECT {_SCHEDULE} FROM schedules ORDER BY name"
COUNTERS = "SELECT name, value FROM counters"
LARGEST = "SELECT max(id) FROM tasks"
NEWEST = "SELECT max(sequence) FROM tasks"

# ------------------------------------------------------------- looking up

STATUSES = f"SELECT id, status FROM tasks WHERE id IN {_GIVEN}"
TASKS = f"SELECT {_ALL} FROM tasks WHERE id IN {_GIVEN} ORDER BY id"
RESULTS = f"SELECT id, result_json FROM tasks WHERE id IN {_GIVEN} AND result_json IS NOT NULL"
BY_KEYS = f"SELECT {_ALL} FROM tasks WHERE key IN {_GIVEN}"
EDGES = f"""
    SELECT task, prerequisite, must_succeed FROM edges
    WHERE task IN {_GIVEN} ORDER BY task, prerequisite"""
DEPENDENTS = """
    SELECT task, prerequisite, must_succeed FROM edges WHERE prerequisite = ? ORDER BY task"""
FALLEN = f"""
    WITH RECURSIVE fallen (id) AS (
        SELECT :root
        UNION
        SELECT e.task FROM fallen AS f
        CROSS JOIN edges AS e ON e.prerequisite = f.id
        CROSS JOIN tasks AS t ON t.id = e.task
        WHERE t.cause_number = :root AND t.status = 'cancelled'
    )
    SELECT {_ALL} FROM tasks WHERE id IN (SELECT id FROM fallen) AND id <> :root ORDER BY id"""
ATTEMPTS = """
    SELECT task, attempt, holder, started_s, ended_s, outcome, error
    FROM attempts WHERE task = ? ORDER BY id"""
RECEIPT = "SELECT receipt FROM receipts WHERE request = ?"
CHANGES = f"SELECT sequence, {_ALL} FROM tasks WHERE sequence > ? ORDER BY sequence LIMIT ?"

# ------------------------------------------------------------- pages

# A page is cut from a window: rows that lie in falling order of id in the table, or in a range
# of an index, of which the first :examined are looked at. persistence/listing.py chooses one.
_WINDOWS = {
    "any": "tasks WHERE id <= :top",
    "group": 'tasks INDEXED BY tasks_group WHERE "group" = :group AND id <= :top',
}
_RANGE = "tasks INDEXED BY tasks_status WHERE status = :status{} AND id <= :top"


def _windows(select: str) -> dict[str, str]:
    """What a statement selects from each window; of several statuses the ranges are merged."""
    windows = {name: f"SELECT {select} FROM {rows}" for name, rows in _WINDOWS.items()}
    ranges = [f"SELECT {select} FROM {_RANGE.format(place)}" for place in range(len(Status))]
    windows |= {
        status_window(count): " UNION ALL ".join(ranges[:count]) for count in range(1, len(Status))
    }
    return windows


def status_window(count: int) -> str:
    """The name of the window of so many statuses."""
    return f"statuses {count}"


# The ids that pass a filter, out of a window's first rows.
PAGES = {
    name: f"""
    SELECT id FROM ({rows} ORDER BY id DESC LIMIT :examined)
    WHERE (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
        AND (:source IS NULL OR source = :source)
        AND (:agent_type IS NULL OR agent_type = :agent_type)
        AND (:group IS NULL OR "group" = :group)
    LIMIT :limit"""
    for name, rows in _windows('id, status, source, agent_type, "group"').items()
}
# The last id of these rows, if there are so many.
LASTS = {
    name: f"{rows} ORDER BY id DESC LIMIT 1 OFFSET :examined - 1"
    for name, rows in _windows("id").items()
}
# How many of them there are, up to :examined.
SIZES = {
    name: f"SELECT count(*) FROM ({rows} LIMIT :examined)" for name, rows in _windows("id").items()
}

# ------------------------------------------------------------- pruning

EXAMINE = """
    SELECT id, status, finished_s, sequence FROM tasks
    WHERE id > ? AND id < ? ORDER BY id LIMIT ?"""
NEEDED = f"""
    SELECT e.prerequisite FROM edges AS e CROSS JOIN tasks AS t ON t.id = e.task
    WHERE e.prerequisite IN {_GIVEN} AND t.status IN ({_OPEN})"""
DROP_TASKS = f"DELETE FROM tasks WHERE id IN {_GIVEN}"
DROP_EDGES_OF = f"DELETE FROM edges WHERE task IN {_GIVEN}"
DROP_ATTEMPTS_OF = f"DELETE FROM attempts WHERE task IN {_GIVEN}"
LOWER_COUNTER = "UPDATE counters SET value = value - ? WHERE name = ?"
RAISE_PRUNED = "UPDATE counters SET value = max(value, ?) WHERE name = 'pruned_sequence'"

# ------------------------------------------------------------- the doctor (reads everything)

OBJECTS = "SELECT type, name, tbl_name, sql FROM sqlite_master"
INTEGRITY = "PRAGMA integrity_check(10)"
EVERY_TASK = f"SELECT {_ALL} FROM tasks"
EVERY_EDGE = "SELECT task, prerequisite, must_succeed FROM edges"
EVERY_ATTEMPT = "SELECT task, attempt, holder, started_s, ended_s, outcome, error FROM attempts"
NO_JSON = """
    SELECT id FROM tasks WHERE NOT json_valid(ifnull(payload_json, '0'))
        OR NOT json_valid(ifnull(result_json, '0'))"""
COUNTED = "SELECT status, count(*) FROM tasks GROUP BY status"
ORPHANED_EDGES = "SELECT task FROM edges WHERE task NOT IN (SELECT id FROM tasks)"
WAITING_FOR_NOBODY = f"SELECT t.id {_OPEN_EDGES} AND p.id IS NULL"
BLOCKED_BY_NOTHING = f"""
    SELECT t.id FROM tasks AS t INDEXED BY tasks_status WHERE t.status = 'blocked' AND NOT EXISTS (
        SELECT 1 FROM edges AS e CROSS JOIN tasks AS p ON p.id = e.prerequisite
        WHERE e.task = t.id AND p.status IN ({_OPEN}))"""
STARTED_TOO_EARLY = f"""
    SELECT t.id {_OPEN_EDGES} AND t.status <> 'blocked'
        AND e.must_succeed AND p.status <> 'completed'"""
OPEN_EDGES = f"""
    SELECT t.id, p.id {_OPEN_EDGES} AND t.status = 'blocked' AND p.status IN ({_OPEN})"""
