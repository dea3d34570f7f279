"""What the figures of a run depend on: the machine, the disk, the versions, the pragmas.

It tells neither the name of the machine nor of the user, nor where anything lies.
"""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import get_args

import msgspec

from benchmarks.measuring import percentile
from benchmarks.workload import Bench
from persistence.filesystem import file_system
from persistence.sqlite import open_sqlite
from persistence.store import Durability

PRAGMAS = (
    "journal_mode",
    "synchronous",
    "page_size",
    "cache_size",
    "wal_autocheckpoint",
    "mmap_size",
    "temp_store",
)
PACKAGES = ("trio", "msgspec", "sortedcontainers", "sqlite-utils", "mcp")
PAGE = 4096  # bytes
APPENDS = 200


class Environment(msgspec.Struct, frozen=True):
    """Sizes in bytes, times in seconds. `pragmas`: by durability, as a store's connection has them.

    `load` is the average number of runnable processes over 1, 5 and 15 minutes at the start;
    `sync` the median and the 99th percentile of appending a page to a file and syncing it.
    """

    cpu: str
    cores: int
    memory: int
    kernel: str
    file_system: str
    python: str
    sqlite: str
    packages: dict[str, str]
    pragmas: dict[str, dict[str, str]]
    sync: tuple[float, float]
    load: tuple[float, float, float]


def environment(bench: Bench) -> Environment:
    """Measured on the folder where the databases of the run lie."""
    return Environment(
        cpu=_cpu(),
        cores=os.cpu_count() or 0,
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=f"{platform.system()} {platform.release()}",
        file_system=file_system(str(bench.folder)) or "unknown",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        sqlite=sqlite3.sqlite_version,
        packages={package: version(package) for package in PACKAGES},
        pragmas={level: pragmas(bench.new(), level) for level in get_args(Durability)},
        sync=sync_latency(bench.new()),
        load=os.getloadavg(),
    )


def pragmas(path: str, durability: Durability) -> dict[str, str]:
    """What SQLite answers on the connection of a new store."""
    with closing(open_sqlite(path, durability=durability)) as store:
        connection = store._connection
        return {name: str(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in PRAGMAS}


def sync_latency(path: str, appends: int = APPENDS) -> tuple[float, float]:
    """The median and the 99th percentile, in seconds, of appending a page and syncing it."""
    page = os.urandom(PAGE)
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        seconds = [_append(file, page) for _ in range(appends)]
    finally:
        os.close(file)
    return median(seconds), percentile(seconds, 99)


def _append(file: int, page: bytes) -> float:
    sync = getattr(os, "fdatasync", os.fsync)  # macOS has only the second
    began = time.perf_counter()
    os.write(file, page)
    sync(file)
    return time.perf_counter() - began


def _cpu(info: Path = Path("/proc/cpuinfo")) -> str:
    """The model, where the system tells it."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.machine()
