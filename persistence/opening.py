"""Opening a database file: what must be true of it, and how the connection is set up."""

from __future__ import annotations

import os
import sqlite3
from urllib.parse import quote, urlencode

from persistence import statements as sql
from persistence.columns import impossible
from persistence.failures import Translating, not_a_database, system_error, unavailable
from persistence.store import Durability
from scheduler.domain.errors import StoreCorrupt, StoreNewer

BUSY = 0.1  # seconds to wait for a program that looks into the file; the persister tries again
PAGE = 4_096  # bytes: no system has smaller pages
CACHED_STATEMENTS = 128  # more than there are


def prepare_file(path: str) -> None:
    """See that `path` is a file we may write, made private if it is new.

    It is created here and not by SQLite, so that it is never readable by others, not even for
    a moment. The log and its index get the same mode from SQLite. A file that exists is not
    opened: closing it would drop the locks that SQLite may hold on it in this process.
    """
    folder = os.path.dirname(path)
    if os.path.isdir(path):
        raise unavailable("the path is a directory", path, "Name a file inside it.")
    if os.path.exists(path) and not os.path.isfile(path):
        raise unavailable("the path is no regular file", path, "Name a file on a disk.")
    if os.path.exists(path) and os.stat(path).st_nlink > 1:
        hint = "Name it by one path only: each name would get a log of its own. Copy it instead."
        raise unavailable("the file has another name (a hard link)", path, hint)
    if os.path.exists(path) and os.stat(path).st_size == 1:  # SQLite takes it for an empty one
        raise not_a_database(path)
    if not os.path.isdir(folder):
        hint = f"Make {folder}, or choose another place."
        raise unavailable("the folder of the database does not exist", path, hint)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise system_error(error, path) from error
    for name, wanted in ((path, os.R_OK | os.W_OK), (folder, os.W_OK | os.X_OK)):
        if not os.access(name, wanted):  # SQLite would open it for reading and say so much later
            hint = f"Give this user the right to write {name}, or choose another place."
            raise unavailable("the database or its folder is read-only", path, hint)


def write_log_again(path: str) -> None:
    """See that the log which a process left behind is on the disk as it reads. O(its pages).

    When a sync fails, Linux takes the pages for written: they can be read, and the next sync
    succeeds without them. A process that died then leaves a log with a hole that only a power
    loss shows, and with it the loss of all that was committed behind the hole. A page is written
    as a whole if a byte of it is.
    """
    log = path + "-wal"
    try:
        descriptor = os.open(log, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise system_error(error, log) from error
    try:
        for offset in range(0, os.fstat(descriptor).st_size, PAGE):
            os.pwrite(descriptor, os.pread(descriptor, 1, offset), offset)
        os.fsync(descriptor)
    except OSError as error:
        raise system_error(error, log) from error
    finally:
        os.close(descriptor)


def connect(path: str, durability: Durability, vfs: str | None) -> sqlite3.Connection:
    """A connection to a headrace database of the newest schema."""
    with Translating(path):
        connection = sqlite3.connect(
            uri(path, mode="rw", **({} if vfs is None else {"vfs": vfs})),
            uri=True,
            timeout=BUSY,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=CACHED_STATEMENTS,
        )
    try:
        with Translating(path):
            version = schema_version(connection, path)
            _set_up(connection, path, durability)
            if version < sql.SCHEMA_VERSION:
                from persistence.migrations import migrate  # sqlite-utils takes 0.1 s to import

                migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def take_over(connection: sqlite3.Connection, path: str) -> int:
    """Become the owner on record; our number in the row of owners. Closes after an error."""
    try:
        with Translating(path):
            row = connection.execute(sql.TAKE_OVER).fetchone()
        if row is None:
            raise impossible("counters", "its rows")
    except BaseException:
        connection.close()
        raise
    return int(row[0])


def uri(path: str, **parameters: str) -> str:
    return f"file:{quote(os.fsencode(path))}?{urlencode(parameters)}"


def schema_version(connection: sqlite3.Connection, path: str) -> int:
    """The version of the file's schema, 0 for an empty file; changes nothing.

    Raises StoreCorrupt if the file is not headrace's, StoreNewer if it is of a newer one.
    """
    (whose,) = connection.execute(sql.WHOSE).fetchone()
    (version,) = connection.execute(sql.VERSION).fetchone()
    (tables,) = connection.execute(sql.TABLES).fetchone()
    if whose == version == tables == 0:
        return 0
    if whose != sql.APPLICATION_ID:
        raise StoreCorrupt(
            "the file is a database of another program",
            field="path",
            received=path,
            hint="Name another file: headrace makes its own.",
        )
    if version > sql.SCHEMA_VERSION:
        raise StoreNewer(
            f"the database has schema {version}, this headrace knows up to {sql.SCHEMA_VERSION}",
            field="path",
            received=path,
            allowed=f"up to schema {sql.SCHEMA_VERSION}",
            hint="Update headrace to the version that wrote the file, or a newer one.",
        )
    return int(version)


def _set_up(connection: sqlite3.Connection, path: str, durability: Durability) -> None:
    (mode,) = connection.execute(sql.USE_WAL).fetchone()
    if mode != "wal":
        hint = "Keep the database on a local disk."
        raise unavailable("the file system cannot hold a write-ahead log", path, hint)
    for pragma in (*sql.SETTINGS, *(sql.SYNCED if durability == "synced" else sql.UNSYNCED)):
        connection.execute(pragma)
