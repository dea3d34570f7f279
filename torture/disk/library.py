"""The SQLite library that the `sqlite3` module of this process has loaded."""

from __future__ import annotations

import ctypes
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

NEEDED = ("sqlite3_vfs_find", "sqlite3_vfs_register", "sqlite3_libversion", "sqlite3_sourceid")


class LibraryNotFoundError(Exception):
    """The library cannot be reached, so nothing can be put under it; says why."""


@cache
def library() -> ctypes.CDLL:
    """The library, ready to be called. Raises LibraryNotFoundError."""
    tried = []
    for name in _candidates():
        with suppress(OSError):
            found = ctypes.CDLL(name)
            tried.append(name or "the program itself")
            if _is_the_one(found):
                return found
    raise LibraryNotFoundError(
        f"no library among {tried} has the file layers of SQLite {sqlite3.sqlite_version}; "
        "does this Python hide those of the SQLite inside it?"
    )


def _candidates() -> Iterator[str | None]:
    """The extension module first: asked for a symbol, the loader looks into what it links too."""
    import _sqlite3

    module = getattr(_sqlite3, "__file__", None)
    if module is not None:
        yield module
    yield None  # SQLite is linked into the program
    with suppress(OSError):  # not Linux
        lines = Path("/proc/self/maps").read_text(errors="surrogateescape").splitlines()
        yield from sorted({line.split(maxsplit=5)[-1] for line in lines if "sqlite3" in line})


def _is_the_one(found: ctypes.CDLL) -> bool:
    if not all(hasattr(found, name) for name in NEEDED):
        return False
    found.sqlite3_libversion.restype = ctypes.c_char_p
    found.sqlite3_sourceid.restype = ctypes.c_char_p
    with sqlite3.connect(":memory:") as connection:
        (source,) = connection.execute("SELECT sqlite_source_id()").fetchone()
    connection.close()
    version = sqlite3.sqlite_version.encode()
    return bool(
        found.sqlite3_libversion() == version and found.sqlite3_sourceid() == source.encode()
    )


def seed_randomness(seed: int) -> None:
    """Let SQLite draw the same random numbers again: salts of the log, names of files."""
    control = library().sqlite3_test_control
    control.restype = ctypes.c_int
    prng_seed = 28  # SQLITE_TESTCTRL_PRNG_SEED
    control(prng_seed, ctypes.c_int(seed % (2**31 - 1) + 1), None)


if sys.platform == "win32":  # pragma: no cover - ctypes would need another calling convention
    raise ImportError("the simulated disk is for POSIX systems")
