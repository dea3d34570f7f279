"""A file has one owner: over all processes, inside each, and until it lets go."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from persistence.ownership import last_owner, lock_path, owner_of
from persistence.sqlite import open_sqlite
from scheduler.domain.errors import StoreCorrupt, StoreLocked, StoreUnavailable
from tests.domain.making import make_task
from tests.support.journal import Journal

HOLD = """
import sys
from persistence.sqlite import open_sqlite
store = open_sqlite(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""
TRY = """
import sys
from persistence.sqlite import open_sqlite
from scheduler.domain.errors import StoreLocked
from tests.domain.making import make_task
from tests.support.journal import Journal
try:
    open_sqlite(sys.argv[1]).close()
    print("opened")
except StoreLocked as error:
    print(error.pid)
"""


@contextmanager
def another_owner(path: str) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        try:
            yield child
        finally:
            child.kill()


def try_elsewhere(path: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", TRY, path], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.process
def test_a_file_that_another_process_has_open(path: str) -> None:
    """It is refused with the owner's pid, and free once the owner is dead."""
    with another_owner(path) as child:
        with pytest.raises(StoreLocked, match=f"process {child.pid}") as caught:
            open_sqlite(path)
        assert caught.value.pid == child.pid
        assert owner_of(path) == child.pid
        child.kill()
        child.wait()
        assert owner_of(path) is None
        open_sqlite(path).close()


@pytest.mark.process
def test_a_second_opening_in_one_process(path: str) -> None:
    """It is refused and, as a POSIX lock could easily be lost by it, the first stays the owner."""
    with closing(open_sqlite(path)):
        with pytest.raises(StoreLocked, match="this process"):
            open_sqlite(path)
        assert owner_of(path) == os.getpid()
        assert try_elsewhere(path) == str(os.getpid())
    assert owner_of(path) is None
    assert try_elsewhere(path) == "opened"


def test_a_second_name_for_one_file(path: str, tmp_path: Path) -> None:
    """A link leads to the same owner. A hard link is refused: it would have its own log."""
    other = tmp_path / "other.db"
    with closing(open_sqlite(path)):
        other.symlink_to(path)
        with pytest.raises(StoreLocked):
            open_sqlite(str(other))
        other.unlink()
        os.link(path, other)
        with pytest.raises(StoreUnavailable, match="hard link"):
            open_sqlite(str(other))


def test_the_lock_file_of_a_dead_owner_is_no_obstacle(path: str) -> None:
    """What it says counts only while it is locked."""
    Path(path + ".lock").write_text(f"{os.getppid()}\n")
    assert owner_of(path) is None
    open_sqlite(path).close()
    Path(path + ".lock").write_text("rubbish")
    assert owner_of(path) is None
    open_sqlite(path).close()


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_does_not_own_what_its_parent_does(path: str) -> None:
    """The child's exit leaves the parent's lock alone."""
    script = f"""
import os, sys
from persistence.ownership import lock_path, owner_of
from persistence.sqlite import open_sqlite
store = open_sqlite({path!r})
child = os.fork()
if not child:
    os._exit(0 if owner_of({path!r}) == os.getppid() else 1)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), owner_of({path!r}) == os.getpid())
store.close()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "0 True\n", done.stderr


def test_the_lock_file_says_where_others_are_served(path: str) -> None:
    """Reading it does not loosen the lock, in the owner's process either."""
    assert last_owner(path) is None
    with closing(open_sqlite(path, address="/a/socket")) as store:
        assert last_owner(path) == (os.getpid(), "/a/socket")
        store.announce("/b")
        assert last_owner(path) == (os.getpid(), "/b")
        assert (
            subprocess.run(
                [sys.executable, "-c", TRY, path], check=True, capture_output=True, text=True
            ).stdout
            == f"{os.getpid()}\n"
        )
    with closing(open_sqlite(path)):
        assert last_owner(path) == (os.getpid(), None)


def test_a_file_that_is_no_database_gets_no_lock_file(path: str) -> None:
    """A name that was mistyped leaves nothing behind; the lock file of a database stays."""
    Path(path).write_text("root:x:0:0:")
    with pytest.raises(StoreCorrupt):
        open_sqlite(path)
    assert not Path(lock_path(path)).exists()
    Path(path).unlink()
    open_sqlite(path).close()
    assert Path(lock_path(path)).exists()


def test_an_owner_whose_lock_was_deleted_writes_nothing_more(path: str) -> None:
    """Two owners would corrupt each other's memory; the older one is fenced off."""
    with closing(open_sqlite(path)) as old:
        Path(lock_path(path)).unlink()
        code = "import sys; from persistence.sqlite import open_sqlite; open_sqlite(sys.argv[1])"
        subprocess.run([sys.executable, "-c", code, path], check=True)
        with pytest.raises(StoreLocked, match="taken the database over"):
            Journal(old).insert(make_task(1)).commit()
        old.rollback()
        with pytest.raises(StoreLocked, match="taken the database over"):
            old.prune(2**62, 2e9, 0, 10)


def test_the_last_owner_of_a_lock_file_that_is_none(tmp_path: Path) -> None:
    """A folder or a pipe in its place names nobody, and holds nobody up."""
    path = str(tmp_path / "tasks.db")
    assert last_owner(path) is None
    os.mkdir(lock_path(path))
    assert (last_owner(path), owner_of(path)) == (None, None)
    os.rmdir(lock_path(path))
    os.mkfifo(lock_path(path))
    assert last_owner(path) is None
