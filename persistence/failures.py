"""What SQLite and the system say when they fail, in the words of `scheduler.domain.errors`."""

from __future__ import annotations

import os
import sqlite3
from errno import (
    EACCES,
    EDQUOT,
    EISDIR,
    ELOOP,
    ENAMETOOLONG,
    ENOENT,
    ENOSPC,
    ENOTDIR,
    ENXIO,
    EPERM,
    EROFS,
)
from types import TracebackType
from typing import NamedTuple

from scheduler.domain.errors import StoreCorrupt, StoreError, StoreUnavailable


class _Cause(NamedTuple):
    what: str
    hint: str


_TRYING = "headrace keeps trying."
_RIGHTS = "Give this user the right to read and write the file and its folder."
_DAMAGED = "Stop every process that uses it, run `headrace doctor`, then restore a backup."

# What does not pass by itself.
_LASTING = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM})
_LASTING_ERRNOS = frozenset(
    {EACCES, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, ENXIO, EPERM, EROFS}
)

_UNAVAILABLE = {
    sqlite3.SQLITE_FULL: _Cause("the disk is full", f"Free some space; {_TRYING}"),
    sqlite3.SQLITE_IOERR: _Cause(
        "the disk reports an error", f"Look at the system log for the device; {_TRYING}"
    ),
    sqlite3.SQLITE_BUSY: _Cause(
        "another program has locked the database",
        f"Close the program that has the file open, such as a sqlite3 shell; {_TRYING}",
    ),
    sqlite3.SQLITE_READONLY: _Cause("the database is read-only", _RIGHTS),
    sqlite3.SQLITE_CANTOPEN: _Cause("the database cannot be opened", _RIGHTS),
    sqlite3.SQLITE_PERM: _Cause("access to the database is denied", _RIGHTS),
    sqlite3.SQLITE_NOMEM: _Cause("memory is exhausted", f"Free some memory; {_TRYING}"),
}
_UNAVAILABLE[sqlite3.SQLITE_LOCKED] = _UNAVAILABLE[sqlite3.SQLITE_BUSY]
_UNKNOWN = _Cause("the database cannot be used", f"Look at what SQLite says; {_TRYING}")

_CORRUPT = {
    sqlite3.SQLITE_CORRUPT: _Cause("the database is damaged", _DAMAGED),
    sqlite3.SQLITE_NOTADB: _Cause(
        "the file is no SQLite database", "Name another file, or move this one away."
    ),
    # The statements are fixed and tested: if one of them fails, the schema is not headrace's.
    sqlite3.SQLITE_ERROR: _Cause("the tables are not those of headrace", _DAMAGED),
    sqlite3.SQLITE_SCHEMA: _Cause("the tables are not those of headrace", _DAMAGED),
    sqlite3.SQLITE_CONSTRAINT: _Cause("the database contradicts what is to be written", _DAMAGED),
}


def store_error(
    error: sqlite3.Error | UnicodeDecodeError, path: str, outcome: str = "refused"
) -> StoreError:
    """The error to raise in the place of SQLite's.

    Text that is no UTF-8 has no code: in a column the sqlite3 module would show all of it, in a
    message of SQLite, such as the name of a table, it gives up.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        text = "a text in the database is no UTF-8"
        return StoreCorrupt(text, field="path", received=path, hint=_DAMAGED)
    code, name = code & 0xFF, getattr(error, "sqlite_errorname", "")
    if code in _CORRUPT:
        what, hint = _CORRUPT[code]
        return StoreCorrupt(f"{what} ({name}: {error})", field="path", received=path, hint=hint)
    what, hint = _UNAVAILABLE.get(code, _UNKNOWN)
    return StoreUnavailable(
        f"{what} ({name}: {error})",
        outcome=outcome,
        retryable=code not in _LASTING,
        field="path",
        received=path,
        hint=hint,
    )


def not_a_database(path: str) -> StoreCorrupt:
    """The error for a file of something else, seen before SQLite was asked."""
    what, hint = _CORRUPT[sqlite3.SQLITE_NOTADB]
    return StoreCorrupt(what, field="path", received=path, hint=hint)


def unavailable(what: str, path: str, hint: str, *, retryable: bool = False) -> StoreUnavailable:
    """The file cannot be opened, seen before SQLite was asked; as a rule somebody must mend it."""
    return StoreUnavailable(what, retryable=retryable, field="path", received=path, hint=hint)


def system_error(error: OSError, path: str) -> StoreUnavailable:
    """The same for an error of the operating system."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    hint = "Free some space." if error.errno in (ENOSPC, EDQUOT) else _RIGHTS
    return unavailable(
        f"the database cannot be opened ({reason})",
        path,
        hint,
        retryable=error.errno not in _LASTING_ERRNOS,
    )


class Translating:
    """A context in which SQLite's errors become StoreErrors.

    Misuse of the sqlite3 module (ProgrammingError) is a mistake in this program and passes.
    """

    __slots__ = ("_outcome", "_path")

    def __init__(self, path: str, outcome: str = "refused") -> None:
        self._path = path
        self._outcome = outcome

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        ours = isinstance(error, sqlite3.ProgrammingError)
        if isinstance(error, sqlite3.Error | UnicodeDecodeError) and not ours:
            raise store_error(error, self._path, self._outcome) from error
