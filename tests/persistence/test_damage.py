"""What a damaged file may hold, SQLite or not: it is told as damage, wherever it is met."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from persistence.inspection import inspect
from persistence.ownership import last_owner, lock_path, owner_of
from persistence.sqlite import SQLiteStore, open_sqlite
from persistence.store import Filter
from persistence.wal import FRAME_HEADER, HEADER, commits_lost
from scheduler.domain.errors import StoreCorrupt
from scheduler.domain.limits import Limit
from scheduler.domain.recurrence import Schedule
from scheduler.domain.request import checked
from scheduler.domain.spec import TaskSpec
from scheduler.domain.task import Attempt, Status
from tests.support.journal import Journal, make_task

FRAME = FRAME_HEADER + 4_096  # bytes


@pytest.fixture
def filled(path: str) -> str:
    """A file at rest with a row in every table."""
    with closing(open_sqlite(path, durability="committed")) as store:
        journal = Journal(store)
        journal.batch.attempts.append(Attempt(2, 1, "anna", 1.0, 2.0, "failed"))
        journal.batch.limits["agent_type", "x"] = Limit("agent_type", "x", concurrency=1)
        journal.batch.schedules["s"] = Schedule("s", "15m", "UTC", "skip", None, REQUEST)
        journal.batch.paused["lane"] = True
        journal.insert(
            make_task(1, Status.COMPLETED, result_json='{"a": 1}'),
            make_task(2, Status.RUNNING, requires=(1,)),
            make_task(3, Status.BLOCKED, requires=(2,), payload_json="[1]"),
            make_task(4, Status.SCHEDULED),
            make_task(5),
        ).commit()
    return path


REQUEST = checked(TaskSpec("every now and then"))


def spoil(path: str, script: str) -> None:
    """What damage can bring about."""
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.executescript(script)


def read_everything(path: str) -> None:
    with closing(open_sqlite(path, durability="committed")) as store:
        loaded = store.load()
        numbers = [task.number for task in loaded.tasks] + [1]
        assert all(task.payload is not ... and task.result is not ... for task in loaded.tasks)
        assert [task.result for task in store.tasks(numbers).values()]
        store.statuses(numbers)
        store.results(numbers)
        for number in numbers:
            store.attempts(number)
            store.dependents(number)
        store.changes(0, 100)
        store.page(Filter(None, None, None, None), None, 10)
        store.page(Filter(frozenset({Status.READY}), None, None, None), None, 10)
        store.prune(99, 0.0, 0, 10)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE tasks SET status = 'rady' WHERE id = 5",
        "UPDATE tasks SET attempt = 'two' WHERE id = 3",
        "UPDATE tasks SET attempt = -1 WHERE id = 3",
        "UPDATE tasks SET agent_type = x'00ff' WHERE id = 3",
        "UPDATE tasks SET created_s = 1e300 WHERE id = 1",
        "UPDATE tasks SET parent = 'x' WHERE id = 5",
        "UPDATE tasks SET sequence = 'x' WHERE id = 5",
        "UPDATE tasks SET note = CAST(x'ff' AS TEXT) WHERE id = 3",
        "UPDATE tasks SET payload_json = '[1' WHERE id = 3",
        "UPDATE tasks SET result_json = '{' WHERE id = 1",
        "UPDATE tasks SET ready_s = NULL WHERE id = 5",
        "UPDATE tasks SET not_before_s = NULL WHERE id = 4",
        "UPDATE tasks SET finished_s = NULL WHERE id = 1",
        "UPDATE tasks SET token = NULL WHERE id = 2",
        "UPDATE tasks SET lease_expires_s = 'soon' WHERE id = 2",
        "UPDATE edges SET prerequisite = 'x' WHERE task = 3",
        "UPDATE edges SET must_succeed = 2 WHERE task = 3",
        "UPDATE attempts SET outcome = 'great'",
        "UPDATE attempts SET started_s = 'x'",
        "UPDATE lanes SET paused = 'no'",
        "UPDATE limits SET kind = 'moon'",
        "UPDATE limits SET concurrency = 'x'",
        "UPDATE schedules SET request_json = '{}'",
        "UPDATE schedules SET request_json = x'00'",
        "UPDATE schedules SET next_s = 'x'",
        "UPDATE counters SET value = 'x' WHERE name = 'sequence'",
        "DELETE FROM counters WHERE name = 'sequence'",
        "DELETE FROM counters WHERE name = 'owner_epoch'",
        "ALTER TABLE tasks RENAME TO tisks",
    ],
)
def test_a_row_that_cannot_be_is_corruption(filled: str, damage: str) -> None:
    """Not an error of whoever stumbles over it; and the doctor finds it, without a fall."""
    read_everything(filled)
    spoil(filled, damage)
    with pytest.raises(StoreCorrupt) as caught:
        read_everything(filled)
    assert caught.value.hint
    problems = [finding.what for finding in inspect(filled) if finding.severity == "problem"]
    assert problems or "owner_epoch" in damage or "sequence = 'x'" in damage


@pytest.fixture
def stale(filled: str) -> Callable[[str], None]:
    """Changes a task behind the back of the index on its status."""

    def change(script: str) -> None:
        with closing(sqlite3.connect(filled, isolation_level=None)) as shell:
            (schema,) = shell.execute("SELECT sql FROM sqlite_master WHERE name = 'tasks_status'")
            shell.executescript(
                "PRAGMA writable_schema = ON;"
                "UPDATE sqlite_master SET sql = 'CREATE INDEX tasks_status ON tasks (status) "
                "WHERE status = 1' WHERE name = 'tasks_status'"
            )
        with closing(sqlite3.connect(filled, isolation_level=None)) as shell:
            shell.execute(script)
        with closing(sqlite3.connect(filled, isolation_level=None)) as shell:
            shell.execute("PRAGMA writable_schema = ON")
            shell.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'tasks_status'", schema)

    return change


def test_an_index_that_lags_behind_runs_no_finished_task_again(
    filled: str, stale: Callable[[str], None]
) -> None:
    """The row itself says whether a task is unfinished."""
    stale("UPDATE tasks SET status = 'completed', finished_s = 5.0 WHERE id = 5")
    with closing(open_sqlite(filled)) as store, pytest.raises(StoreCorrupt, match="an index"):
        store.load()


def test_an_index_that_lags_behind_shows_a_task_as_it_is(
    filled: str, stale: Callable[[str], None]
) -> None:
    """One that is unfinished either way is loaded with the status of its row."""
    stale("UPDATE tasks SET status = 'scheduled', not_before_s = 9.0 WHERE id = 5")
    with closing(open_sqlite(filled)) as store:
        loaded = {task.number: task.status for task in store.load().tasks}
    assert loaded[5] is Status.SCHEDULED


@pytest.mark.parametrize("size", [1, 2, 99, 511])
def test_a_tiny_file_is_no_database(path: str, size: int) -> None:
    """SQLite takes one of a single byte for an empty one, and would write over it."""
    Path(path).write_bytes(b"x" * size)
    with pytest.raises(StoreCorrupt, match="no SQLite database"):
        open_sqlite(path)
    assert Path(path).read_bytes() == b"x" * size


def test_a_message_of_sqlite_that_is_no_text(filled: str) -> None:
    """It may repeat what stands in the file, such as the name of a table."""
    with open(filled, "r+b") as file:
        page = file.read(4_096)
        file.seek(page.index(b"CREATE TABLE counters"))
        file.write(b"CREATE \xc5TABLE")
    with pytest.raises(StoreCorrupt):
        read_everything(filled)


@pytest.mark.parametrize("owner", [b"9" * 30, b"-1", b"0", b"\xc2\xb2", b"4294967297\n/nowhere\n"])
def test_nonsense_in_the_lock_file_is_nobody(filled: str, owner: bytes) -> None:
    """However many digits it has."""
    Path(lock_path(filled)).write_bytes(owner)
    assert owner_of(filled) is None
    assert last_owner(filled) is None
    open_sqlite(filled).close()


class TestLog:
    @pytest.fixture
    def log(self, path: str) -> Path:
        """Of ten commits, beside a copy of the database that nobody has open."""
        copy = Path(path + "-copy")
        with closing(open_sqlite(path, durability="committed")) as store:
            store.checkpoint()
            journal = Journal(store)
            for number in range(1, 11):
                journal.insert(make_task(number)).commit()
            for end in ("", "-wal"):
                Path(f"{copy}{end}").write_bytes(Path(path + end).read_bytes())
        copy.chmod(0o600)
        return Path(f"{copy}-wal")

    def test_a_sound_one_has_lost_nothing(self, log: Path) -> None:
        """Nor has one that was cut short in its last commit, as a crash may leave it."""
        database = str(log).removesuffix("-wal")
        assert commits_lost(database) == 0
        log.write_bytes(log.read_bytes()[: -FRAME // 2])
        assert commits_lost(database) == 0
        log.write_bytes(b"short")
        assert commits_lost(database) == 0

    @pytest.mark.parametrize("offset", [HEADER + 7, HEADER + FRAME_HEADER + 100, 25])
    def test_commits_behind_damage_are_counted(self, log: Path, offset: int) -> None:
        """SQLite drops them without a word, the doctor does not."""
        content = bytearray(log.read_bytes())
        content[offset] ^= 1
        log.write_bytes(content)
        database = str(log).removesuffix("-wal")
        assert commits_lost(database) >= 9
        whats = [finding.what for finding in inspect(database)]
        assert any("stand behind a damaged part" in what for what in whats)


def test_a_store_that_is_damaged_is_told_by_the_store(sqlite: SQLiteStore) -> None:
    """The text of a task never stands in the error."""
    Journal(sqlite).insert(make_task(1)).commit()
    sqlite._connection.execute("UPDATE tasks SET note = CAST('secret' || x'ff' AS TEXT)")
    with pytest.raises(StoreCorrupt) as caught:
        sqlite.tasks([1])
    assert "secret" not in str(caught.value.as_dict())
