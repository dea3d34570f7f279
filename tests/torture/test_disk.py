"""The simulated disk does what disks do, and SQLite on it survives what SQLite promises."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Literal

import pytest

from scheduler.domain.errors import StoreUnavailable
from tests.support.journal import Journal, make_task
from torture.disk import (
    POWER_LOSSES,
    Disk,
    DiskError,
    Fault,
    LibraryNotFoundError,
    Mounted,
    PowerLoss,
    lasting,
    library,
    open_store,
)
from torture.disk.files import File

NAME = "/tasks.db"

try:
    library()
except LibraryNotFoundError as error:
    pytest.skip(str(error), allow_module_level=True)


# ------------------------------------------------------------- the disk alone


def written(disk: Disk, *parts: bytes, synced: int = 0) -> None:
    """Write one part after the other; the first `synced` of them are synced."""
    disk.create(NAME)
    handle = disk.open(NAME, create=False)
    assert handle is not None
    at = 0
    for number, part in enumerate(parts):
        disk.write(handle, at, part)
        at += len(part)
        if number + 1 == synced:
            disk.sync(handle)


def test_a_kill_takes_nothing_and_a_power_loss_takes_what_was_not_synced() -> None:
    disk = Disk()
    written(disk, b"a" * 600, b"b" * 600, synced=1)
    disk.kill()
    assert disk.content(NAME) == b"a" * 600 + b"b" * 600
    disk.power_loss("dropped")
    assert disk.content(NAME) == b"a" * 600


def test_a_torn_write_ends_between_sectors() -> None:
    lengths = set()
    for seed in range(40):
        disk = Disk(seed)
        written(disk, b"a" * 512, b"b" * 2_048, synced=1)
        disk.power_loss("torn")
        content = disk.content(NAME)
        assert content is not None
        assert content == b"a" * 512 + b"b" * (len(content) - 512)
        lengths.add(len(content))
    assert lengths == set(range(512, 2_561, 512))


def test_reordered_writes_leave_any_of_them() -> None:
    contents = set()
    for seed in range(200):
        disk = Disk(seed)
        written(disk, b"a" * 512, b"b" * 512, b"c" * 512, synced=1)
        disk.power_loss("reordered")
        contents.add(disk.content(NAME))
    a, b, c = (letter * 512 for letter in (b"a", b"b", b"c"))
    assert contents == {a, a + b, a + b + c, a + bytes(512) + c}


def test_a_page_whose_sync_failed_is_forgotten_until_somebody_writes_to_it() -> None:
    lost: set[int] = set()
    for seed in range(100):
        file = File()
        file.write(1, 0, b"a" * 8_192)
        file.fail_sync(Random(seed))
        file.sync()  # succeeds, as on Linux
        if file.durable[:4_096] == bytes(4_096) and len(file.durable) == 8_192:
            lost.add(seed)
            file.write(2, 10, b"b")
            file.sync()
            assert file.durable == file.seen
    assert lost


def test_the_operation_that_is_asked_for_fails_once_or_for_good() -> None:
    disk = Disk()
    disk.create(NAME)
    handle = disk.open(NAME, create=False)
    assert handle is not None

    def tries(how_many: int) -> str:
        told = ""
        for _ in range(how_many):
            try:
                disk.sync(handle)
                told += "."
            except DiskError as error:
                told += "F" if error.full else "E"
        return told

    disk.inject(Fault("io", at=3, operations=["sync"]))
    disk.inject(Fault("io", at=1, operations=["write"]))
    assert tries(5) == "..E.."
    disk.heal()
    disk.inject(lasting("full", at=2, operations=["sync"]))
    assert tries(4) == ".FFF"
    disk.heal()
    assert tries(2) == ".."
    assert disk.operations["sync"] == 11
    assert disk.troubles == {"io": 1, "full": 3}


def test_no_more_fits_than_there_is_space_for() -> None:
    disk = Disk()
    disk.capacity = 1_000
    with pytest.raises(DiskError, match="full"):
        written(disk, b"a" * 600, b"b" * 600)
    assert 600 <= disk.used() <= 1_000
    disk.heal()
    written(disk, b"a" * 600, b"b" * 600)
    assert disk.used() == 1_200


# ------------------------------------------------------------- SQLite on it


@contextmanager
def connected(
    mounted: Mounted, synchronous: Literal["FULL", "NORMAL"] = "FULL", name: str = NAME
) -> Iterator[sqlite3.Connection]:
    uri = f"file:{name}?vfs={mounted.name}"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        assert connection.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA wal_autocheckpoint = 40")
        connection.execute("CREATE TABLE IF NOT EXISTS rows (number INTEGER PRIMARY KEY, text)")
        yield connection


def lost_rows(seed: int, synchronous: Literal["FULL", "NORMAL"], mode: PowerLoss) -> int:
    """How many of the rows whose commit had returned are gone after a power loss."""
    with Mounted(Disk(seed)) as mounted:
        acknowledged = 0
        with connected(mounted, synchronous) as connection:
            operations = mounted.disk.operations
            at = operations.total() + Random(seed).randrange(1, 200)
            mounted.disk.inject(Fault(mode, at=at - operations.total()))
            with suppress(sqlite3.Error):
                for number in range(1, 1_000):
                    connection.execute("INSERT INTO rows VALUES (?, ?)", (number, "x" * 3_000))
                    acknowledged = number
        assert mounted.disk.deaths == 1
        with connected(mounted) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            found = [number for (number,) in connection.execute("SELECT number FROM rows")]
            assert found == list(range(1, len(found) + 1))  # a prefix
            return max(0, acknowledged - len(found))


@pytest.mark.parametrize("mode", POWER_LOSSES)
def test_full_loses_no_acknowledged_row_and_normal_does(mode: PowerLoss) -> None:
    assert [lost_rows(seed, "FULL", mode) for seed in range(15)] == [0] * 15
    assert sum(lost_rows(seed, "NORMAL", mode) > 0 for seed in range(15)) >= 5


def test_the_dead_change_nothing_any_more() -> None:
    with Mounted(Disk()) as mounted:
        with connected(mounted) as connection:
            connection.execute("INSERT INTO rows VALUES (1, 'kept')")
            mounted.disk.kill()
            before = mounted.disk.content(NAME + "-wal")
            with pytest.raises(sqlite3.OperationalError):
                connection.execute("INSERT INTO rows VALUES (2, 'too late')")
        assert before and mounted.disk.content(NAME + "-wal") == before
        with connected(mounted) as connection:
            assert connection.execute("SELECT text FROM rows").fetchall() == [("kept",)]


def test_two_connections_keep_out_of_each_others_way() -> None:
    with Mounted(Disk()) as mounted, connected(mounted) as one, connected(mounted) as other:
        one.execute("BEGIN IMMEDIATE")
        one.execute("INSERT INTO rows VALUES (1, 'one')")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        assert other.execute("SELECT count(*) FROM rows").fetchone() == (0,)
        one.execute("COMMIT")
        assert other.execute("SELECT count(*) FROM rows").fetchone() == (1,)


# ------------------------------------------------------------- a store on it


def test_a_store_on_it_is_refused_heals_and_is_found_again(tmp_path: Path) -> None:
    path = str(tmp_path / "tasks.db")
    with Mounted(Disk()) as mounted:
        with closing(open_store(mounted, path)) as store:
            journal = Journal(store)
            journal.insert(make_task(1)).commit()
            mounted.disk.inject(Fault("io", operations=["sync"]))
            with pytest.raises(StoreUnavailable, match="SQLITE_IOERR"):
                journal.insert(make_task(2)).commit()
            store.rollback()
            mounted.disk.heal()
            assert store.tasks([1, 2]).keys() == {1}
            for number in range(3, 20):
                Journal(store).insert(make_task(number)).commit()
            assert store.wal_pages() > 17
            store.checkpoint()
            assert store.wal_pages() == 0
            mounted.disk.power_loss("dropped")
        with closing(open_store(mounted, path)) as store:
            assert store.tasks(range(20)).keys() == {1, *range(3, 20)}


def test_a_sync_that_failed_before_a_restart_costs_nothing_later(tmp_path: Path) -> None:
    """The log of the dead reads well and has a hole on the platter: it is mended first."""
    path = str(tmp_path / "tasks.db")
    for seed in range(8):
        with Mounted(Disk(seed)) as mounted:
            mounted.disk.create(os.path.realpath(path))
            with closing(open_store(mounted, path)) as store:
                Journal(store).insert(make_task(1)).commit()
                mounted.disk.inject(lasting("io", operations=["sync"]))
                with pytest.raises(StoreUnavailable):
                    Journal(store).insert(make_task(2, summary="x" * 9_000)).commit()
                mounted.disk.kill()
                mounted.disk.heal()
            with closing(open_store(mounted, path)) as store:
                Journal(store).insert(make_task(3)).commit()
                mounted.disk.power_loss("dropped")
            with closing(open_store(mounted, path)) as store:
                assert store.tasks([1, 2, 3]).keys() >= {1, 3}


def test_a_checkpoint_after_a_failed_sync_damages_nothing(tmp_path: Path) -> None:
    """Where commits do not sync, a checkpoint must not trust the log after one that failed."""
    path = str(tmp_path / "tasks.db")
    for seed in range(16):
        with Mounted(Disk(seed)) as mounted:
            with closing(open_store(mounted, path, "committed")) as store:
                store.checkpoint()
                journal = Journal(store)
                for number in range(1, 30):
                    journal.insert(make_task(number, summary="x" * 2_000)).commit()
                mounted.disk.inject(Fault("io", operations=["sync"], on="-wal"))
                with pytest.raises(StoreUnavailable):
                    store.checkpoint()
                at = 1 + seed // 2
                mounted.disk.inject(Fault("reordered", at=at, operations=["write"], on=".db"))
                with suppress(StoreUnavailable):
                    store.checkpoint()
            with connected(mounted, name=os.path.realpath(path)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
