"""What `headrace doctor` looks at: a database file from outside, without touching it.

Works beside a scheduler that has the file open, and makes no file of its own.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing

from persistence import invariants
from persistence import statements as sql
from persistence.failures import Translating
from persistence.filesystem import NETWORK, file_system
from persistence.invariants import Finding as Finding
from persistence.opening import schema_version, uri
from persistence.ownership import owner_of
from persistence.wal import commits_lost
from scheduler.domain.errors import StoreError

LARGE_WAL = 256 * 1024 * 1024  # bytes
LITTLE_ROOM = 1024 * 1024  # bytes
FIXED_WAL = (3, 51, 3)


def inspect(path: str) -> list[Finding]:
    """Everything that is right or wrong with the file, the surroundings first."""
    path = os.path.realpath(path)
    if not os.path.isfile(path):
        what = f"{path} is a folder" if os.path.isdir(path) else f"there is no file {path}"
        return [Finding("problem", what, "Check the name.")]
    findings = list(_surroundings(path))
    try:
        with closing(connect_to_read(path)) as connection, Translating(path):
            findings += _contents(connection, path)
    except StoreError as error:
        findings.append(Finding("problem", error.message, error.hint or ""))
    return findings


def _surroundings(path: str) -> Iterator[Finding]:
    kind = file_system(path)
    if kind in NETWORK:
        advice = "Move it to a local disk: SQLite's log does not work over a network."
        yield Finding("problem", f"it lies on a network file system ({kind})", advice)
    else:
        yield Finding("ok", f"it lies on a local file system ({kind or 'of unknown type'})")
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode & 0o077:
        yield Finding("warning", f"others may read it (mode {mode:o})", f"chmod 600 {path}")
    else:
        yield Finding("ok", "only its user may read it")
    yield from _room(path)
    owner = owner_of(path)
    yield Finding("ok", "no scheduler has it open" if owner is None else f"process {owner} has it")
    yield _log(path)
    if owner is None and (lost := commits_lost(path)):
        advice = "They are lost. Look at the disk; restore a backup if it is newer."
        yield Finding("problem", f"{lost} commits in the log stand behind a damaged part", advice)
    yield _library()


def _room(path: str) -> Iterator[Finding]:
    """Whether a scheduler could write here."""
    folder = os.path.dirname(path)
    for place, wanted in ((path, os.R_OK | os.W_OK), (folder, os.W_OK | os.X_OK)):
        if not os.access(place, wanted):
            advice = "Give this user the right to write it, or move the database."
            yield Finding("problem", f"this user cannot write {place}", advice)
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free < LITTLE_ROOM:
        yield Finding("problem", f"the disk has {free:,} bytes left", "Free some space.")


def _log(path: str) -> Finding:
    try:
        size = os.stat(path + "-wal").st_size
    except FileNotFoundError:
        return Finding("ok", "everything is in the file itself, there is no log")
    what = f"the write-ahead log has {size:,} bytes"
    if size > LARGE_WAL:
        advice = "Look for a program that keeps a read transaction open; close it."
        return Finding("warning", what, advice)
    return Finding("ok", what)


def _library() -> Finding:
    what = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < FIXED_WAL:
        what += "; its rare WAL-reset fault needs two writers, and headrace is the only one"
    return Finding("ok", what)


def connect_to_read(path: str) -> sqlite3.Connection:
    """A reader. A file without a log is read as immutable: else SQLite would make a log for it."""
    at_rest = not os.path.exists(path + "-wal") and owner_of(path) is None
    how = {"mode": "ro", **({"immutable": "1"} if at_rest else {})}
    with Translating(path):
        return sqlite3.connect(uri(path, **how), uri=True, isolation_level=None)


def _contents(connection: sqlite3.Connection, path: str) -> Iterator[Finding]:
    connection.execute(sql.BEGIN_READING)
    version = schema_version(connection, path)
    if version == 0:
        yield Finding("ok", "it is empty")
        return
    if version < sql.SCHEMA_VERSION:
        advice = "The next scheduler that opens it will update it; make a copy before."
        yield Finding("warning", f"its schema {version} is an old one", advice)
        return
    yield Finding("ok", f"it is a headrace database of schema {version}")
    faults = [text for (text,) in connection.execute(sql.INTEGRITY) if text != "ok"]
    if faults:
        advice = "Stop what uses it and restore a backup, or try sqlite3's .recover."
        yield Finding("problem", f"it is damaged: {'; '.join(faults)[:500]}", advice)
        return
    yield Finding("ok", "SQLite finds no damage in it")
    yield from invariants.check(connection)
