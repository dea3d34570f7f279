"""The file of the SQLite store: who may read it, how it is opened, and what goes wrong with it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from persistence import statements as sql
from persistence.migrations import migrations
from persistence.opening import write_log_again
from persistence.sqlite import SQLiteStore, open_sqlite
from persistence.store import Durability
from scheduler.domain.errors import StoreCorrupt, StoreNewer, StoreUnavailable
from scheduler.domain.task import COLUMNS, Status
from tests.support.journal import Journal, make_task

NOBODY = 65_534


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


class TestOpening:
    def test_all_files_are_private(self, path: str) -> None:
        """Whatever the umask allows, nobody else can read any of them."""
        before = os.umask(0)
        try:
            with closing(open_sqlite(path)) as store:
                Journal(store).insert(make_task(1)).commit()
                names = [path + end for end in ("", "-wal", "-shm", ".lock")]
                assert {mode(name) for name in names} == {0o600}
        finally:
            os.umask(before)

    def test_what_was_written_is_there_after_reopening(self, path: str) -> None:
        """Closing brings everything into one file."""
        with closing(open_sqlite(path)) as store:
            Journal(store).insert(make_task(1)).commit()
        assert not os.path.exists(path + "-wal")
        with closing(open_sqlite(path)) as store:
            assert [task.number for task in store.load().tasks] == [1]

    def test_a_log_that_was_left_behind_is_written_again(
        self, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Every page of it, as it is, and before anything is read from it."""
        with closing(open_sqlite(path)) as store:
            Journal(store).insert(make_task(1, description="x" * 20_000)).commit()
            killed = shutil.copytree(tmp_path, tmp_path / "killed") / "tasks.db"
        log = Path(f"{killed}-wal")
        content = log.read_bytes()
        written: list[int] = []
        synced: list[bytes] = []
        pwrite, fsync = os.pwrite, os.fsync

        def note_write(descriptor: int, data: bytes, offset: int) -> int:
            written.append(offset)
            return pwrite(descriptor, data, offset)

        def note_sync(descriptor: int) -> None:
            synced.append(log.read_bytes())
            fsync(descriptor)

        monkeypatch.setattr(os, "pwrite", note_write)
        monkeypatch.setattr(os, "fsync", note_sync)
        write_log_again(str(killed))
        assert written == list(range(0, len(content), 4_096))
        assert synced == [content] == [log.read_bytes()]
        with closing(open_sqlite(str(killed))) as store:
            assert [task.number for task in store.load().tasks] == [1]

    def test_an_unfinished_transaction_is_gone_after_closing(self, path: str) -> None:
        """Closing without a commit is a rollback."""
        with closing(open_sqlite(path)) as store:
            Journal(store).insert(make_task(1)).write()
        with closing(open_sqlite(path)) as store:
            assert store.load().tasks == []

    @pytest.mark.parametrize(
        ("durability", "level"), [("synced", 2), ("committed", 1), ("accepted", 1)]
    )
    def test_durability(self, path: str, durability: Durability, level: int) -> None:
        """`synced` waits for the disk at every commit, the others at checkpoints."""
        with closing(open_sqlite(path, durability=durability)) as store:
            assert store._connection.execute("PRAGMA synchronous").fetchone() == (level,)
            assert store._connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)

    def test_the_table_has_the_columns_of_a_task(self, sqlite: SQLiteStore) -> None:
        """A field that is added to Task needs a migration."""
        rows = sqlite._connection.execute("PRAGMA table_info(tasks)").fetchall()
        names = {"number" if row[1] == "id" else row[1] for row in rows}
        assert names == {*COLUMNS, "sequence"}

    def test_a_file_of_an_older_schema_is_brought_up_to_date(self, path: str) -> None:
        """With the tasks in it."""
        with closing(sqlite3.connect(path, isolation_level=None)) as older:
            migrations.apply(Database(older), stop_before="limits_and_schedules")
            older.execute(f"PRAGMA application_id = {sql.APPLICATION_ID}")
            older.execute("PRAGMA user_version = 2")
            names = [row[1] for row in older.execute("PRAGMA table_info(tasks)")]
            task = dict.fromkeys(names) | {"id": 7, "sequence": 1, "status": "ready"}
            task |= dict.fromkeys(("revision", "base_priority", "priority", "attempt"), 1)
            task |= dict.fromkeys(("max_attempts", "dependency_depth", "created_s", "ready_s"), 1)
            task |= dict.fromkeys(("source", "agent_type", "summary", "description"), "x")
            Database(older).table("tasks").insert(task | {"estimated_duration": 60.0})
        with closing(open_sqlite(path)) as store:
            loaded = store.load()
        assert [(task.number, task.limit_key) for task in loaded.tasks] == [(7, None)]
        assert (loaded.limits, loaded.schedules) == ([], [])

    def test_a_migration_that_fails_leaves_the_file_as_it_was(
        self, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All of it or nothing; the next opening does it."""
        apply = migrations.apply

        def broken(database: Database) -> None:
            apply(database)
            raise sqlite3.OperationalError("broken on purpose")

        with monkeypatch.context() as patch:
            patch.setattr(migrations, "apply", broken)
            with pytest.raises(StoreCorrupt):
                open_sqlite(path)
        with closing(sqlite3.connect(path)) as shell:
            assert shell.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        with closing(open_sqlite(path)) as store:
            assert store.load().tasks == []

    def test_location(self, tmp_path: Path) -> None:
        """A file is known by its real name, with blanks and question marks in it."""
        real = tmp_path / "a ?b#%20.db"
        (tmp_path / "link.db").symlink_to(real)
        with closing(open_sqlite(str(tmp_path / "link.db"))) as store:
            assert store.location == str(real)
        assert real.stat().st_size > 0


class TestRefusing:
    def test_a_directory(self, tmp_path: Path) -> None:
        """The path has to name a file."""
        with pytest.raises(StoreUnavailable, match="is a directory") as caught:
            open_sqlite(str(tmp_path))
        assert caught.value.retryable is False

    def test_a_missing_folder(self, tmp_path: Path) -> None:
        """Folders are not made: the path may be a slip of the pen."""
        with pytest.raises(StoreUnavailable, match="does not exist") as caught:
            open_sqlite(str(tmp_path / "no" / "tasks.db"))
        assert caught.value.hint == f"Make {tmp_path / 'no'}, or choose another place."
        assert caught.value.retryable is False

    def test_a_file_that_is_no_database(self, path: str) -> None:
        """It is left as it is."""
        Path(path).write_text("Dear diary, " * 1_000)
        with pytest.raises(StoreCorrupt, match="no SQLite database"):
            open_sqlite(path)
        assert Path(path).read_text() == "Dear diary, " * 1_000

    def test_a_database_of_another_program(self, path: str) -> None:
        """It is left as it is."""
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT)")
        before = Path(path).read_bytes()
        with pytest.raises(StoreCorrupt, match="another program"):
            open_sqlite(path)
        assert Path(path).read_bytes() == before

    def test_a_newer_schema(self, path: str) -> None:
        """A newer headrace wrote it, and may mean by it what this one cannot know."""
        open_sqlite(path).close()
        with closing(sqlite3.connect(path)) as newer:
            newer.execute(f"PRAGMA user_version = {sql.SCHEMA_VERSION + 1}")
        with pytest.raises(StoreNewer, match=f"schema {sql.SCHEMA_VERSION + 1}"):
            open_sqlite(path)

    def test_a_refused_file_is_not_owned(self, path: str) -> None:
        """Once it is mended, the same process can open it."""
        Path(path).write_text("x" * 10_000)
        with pytest.raises(StoreCorrupt):
            open_sqlite(path)
        os.remove(path)
        open_sqlite(path).close()

    @pytest.mark.process
    @pytest.mark.parametrize("locked", ["file", "folder"])
    def test_what_cannot_be_written(self, locked: str) -> None:
        """A read-only file or folder is refused at once, with what to do."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "tasks.db")
            open_sqlite(path).close()
            os.chmod(folder, 0o777 if locked == "file" else 0o555)
            os.chmod(path, 0o444 if locked == "file" else 0o666)
            done = subprocess.run(
                [sys.executable, "-c", OPEN_AS_NOBODY, path], capture_output=True, text=True
            )
            os.chmod(folder, 0o700)
        assert "is read-only" in done.stdout, done.stderr
        assert "retryable: False" in done.stdout


OPEN_AS_NOBODY = f"""
import os, sys
from persistence.sqlite import open_sqlite
from scheduler.domain.errors import StoreUnavailable
if os.getuid() == 0:  # whom no mode stops
    os.setuid({NOBODY})
try:
    open_sqlite(sys.argv[1])
except StoreUnavailable as error:
    print(error, error.hint, "retryable:", error.retryable)
"""


class TestFailing:
    def test_a_full_disk_is_refused_and_heals(self, sqlite: SQLiteStore) -> None:
        """Nothing of the batch stays, reading goes on, and with room again it is written."""
        journal = Journal(sqlite)
        journal.insert(make_task(1)).commit()
        (pages,) = sqlite._connection.execute("PRAGMA page_count").fetchone()
        sqlite._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        batch = journal.insert(*(make_task(n, description="x" * 4_000) for n in range(2, 9))).batch
        with pytest.raises(StoreUnavailable, match="the disk is full") as caught:
            journal.write()
        assert "SQLITE_FULL" in caught.value.message
        assert caught.value.outcome == "refused"
        sqlite.rollback()
        assert [task.number for task in sqlite.load().tasks] == [1]
        sqlite._connection.execute("PRAGMA max_page_count = 100000")
        for _ in sqlite.write(batch):
            pass
        sqlite.commit()
        assert len(sqlite.load().tasks) == 8

    def test_a_program_that_holds_a_lock(self, sqlite: SQLiteStore) -> None:
        """A shell with an open transaction is named as the cause; when it goes, all is well."""
        journal = Journal(sqlite)
        with closing(sqlite3.connect(sqlite.location, isolation_level=None)) as shell:
            shell.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="another program has locked"):
                journal.insert(make_task(1)).write()
        sqlite.rollback()
        Journal(sqlite).insert(make_task(1)).commit()

    def test_a_damaged_file(self, path: str) -> None:
        """Damage is told from trouble that passes."""
        with closing(open_sqlite(path)) as store:
            Journal(store).insert(*(make_task(n) for n in range(1, 2_000))).commit()
        with open(path, "r+b") as file:
            file.seek(8 * 4_096)
            file.write(os.urandom(30 * 4_096))
        with (
            pytest.raises(StoreCorrupt, match="SQLITE_CORRUPT"),
            closing(open_sqlite(path)) as store,
        ):
            store.load()

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            ("UPDATE tasks SET status = 'ready!'", "holds in status what it cannot"),
            ("UPDATE tasks SET note = CAST(x'ff' AS TEXT)", "UTF-8"),
            ("DROP TABLE edges", "not those of headrace"),
        ],
    )
    def test_contents_that_headrace_never_writes(
        self, sqlite: SQLiteStore, damage: str, message: str
    ) -> None:
        """Whoever edited the file hears what is wrong."""
        Journal(sqlite).insert(make_task(1)).commit()
        sqlite._connection.execute(damage)
        with pytest.raises(StoreCorrupt, match=message):
            sqlite.tasks([1])

    def test_a_change_of_a_task_that_is_not_there(self, sqlite: SQLiteStore) -> None:
        """It is never taken for done."""
        with pytest.raises(StoreCorrupt, match="1 tasks that changed are not in the database"):
            Journal(sqlite).move(make_task(1)).write()

    @pytest.mark.parametrize("use", [SQLiteStore.rollback, SQLiteStore.close])
    def test_a_closed_store(self, path: str, use: Callable[[SQLiteStore], None]) -> None:
        """Rolling back and closing once more do nothing."""
        store = open_sqlite(path)
        store.close()
        use(store)


class TestLog:
    def test_the_gauge_agrees_with_sqlite(self, sqlite: SQLiteStore) -> None:
        """Also when the log is written over from its start, and after a partial round."""
        journal = Journal(sqlite)
        number = 0
        for size in (1, 300, 2, 40, 5, 900, 1):
            for _ in range(3):
                journal.insert(*(make_task(number + n) for n in range(size))).commit()
                number += size
                frames = sqlite._connection.execute("PRAGMA wal_checkpoint").fetchone()[1]
                sqlite._wal._copied = 0
                assert sqlite.wal_pages() == frames > 0
            sqlite.checkpoint()
            assert sqlite.wal_pages() == 0

    def test_writing_yields_after_each_slice(self, sqlite: SQLiteStore) -> None:
        """However large a batch, its writer can be interrupted about every millisecond."""
        batch = Journal(sqlite).insert(*(make_task(n, Status.READY) for n in range(1, 1_001))).batch
        slices = sum(1 for _ in sqlite.write(batch))
        sqlite.commit()
        assert slices >= 5
