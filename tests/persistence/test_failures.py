"""SQLite's errors become the project's, each with what happened and how to mend it."""

from __future__ import annotations

import errno
import os
import sqlite3

import pytest

from persistence.failures import Translating, store_error, system_error
from scheduler.domain.errors import StoreCorrupt, StoreError, StoreUnavailable


def sqlite_error(name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError("as SQLite puts it")
    error.sqlite_errorcode = getattr(sqlite3, name)
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("SQLITE_FULL", StoreUnavailable, "disk is full"),
        ("SQLITE_IOERR_FSYNC", StoreUnavailable, "disk reports an error"),
        ("SQLITE_BUSY_SNAPSHOT", StoreUnavailable, "another program"),
        ("SQLITE_LOCKED", StoreUnavailable, "another program"),
        ("SQLITE_READONLY_DBMOVED", StoreUnavailable, "read-only"),
        ("SQLITE_CANTOPEN", StoreUnavailable, "cannot be opened"),
        ("SQLITE_NOMEM", StoreUnavailable, "memory"),
        ("SQLITE_PROTOCOL", StoreUnavailable, "cannot be used"),
        ("SQLITE_CORRUPT_INDEX", StoreCorrupt, "damaged"),
        ("SQLITE_NOTADB", StoreCorrupt, "no SQLite database"),
        ("SQLITE_CONSTRAINT_UNIQUE", StoreCorrupt, "contradicts"),
    ],
)
def test_each_kind_of_failure(name: str, kind: type[StoreError], words: str) -> None:
    """The extended code counts as its primary one; its name stands in the message."""
    error = store_error(sqlite_error(name), "/tasks.db")
    assert type(error) is kind
    assert words in error.message
    assert f"{name}: as SQLite puts it" in error.message
    assert error.received == "/tasks.db"
    assert error.hint


@pytest.mark.parametrize(
    ("name", "retryable"),
    [
        ("SQLITE_FULL", True),
        ("SQLITE_BUSY", True),
        ("SQLITE_CANTOPEN", True),
        ("SQLITE_READONLY_DIRECTORY", False),
        ("SQLITE_PERM", False),
    ],
)
def test_rights_do_not_come_by_themselves(name: str, retryable: bool) -> None:
    """What may pass is worth a retry."""
    error = store_error(sqlite_error(name), "/tasks.db")
    assert error.retryable is retryable


@pytest.mark.parametrize(
    ("number", "retryable"),
    [(errno.ENOSPC, True), (errno.EMFILE, True), (errno.EACCES, False), (errno.EROFS, False)],
)
def test_the_same_of_the_system(number: int, retryable: bool) -> None:
    """By its number."""
    error = system_error(OSError(number, os.strerror(number)), "/tasks.db")
    assert error.retryable is retryable


def test_the_outcome_of_a_failed_commit_is_unknown() -> None:
    """Whoever waits for it has to look, or repeat with the same key."""
    with pytest.raises(StoreUnavailable) as caught, Translating("/tasks.db", outcome="unknown"):
        raise sqlite_error("SQLITE_IOERR")
    assert caught.value.outcome == "unknown"
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)


@pytest.mark.parametrize("error", [sqlite3.ProgrammingError("closed"), ValueError("other")])
def test_a_mistake_in_the_program_passes(error: Exception) -> None:
    """It is not the file's fault, and no retry would mend it."""
    with pytest.raises(type(error)), Translating("/tasks.db"):
        raise error
