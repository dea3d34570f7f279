"""A disk in memory under the SQLite of this process: it fails, fills up and loses power.

    with Mounted(Disk(seed)) as mounted:
        store = open_store(mounted, f"{folder}/tasks.db")
        mounted.disk.inject(Fault("io", at=3, operations=["sync"]))

`files` holds what a power loss takes and leaves, `disk` what is done to it, `vfs` how SQLite
gets to it. Raises LibraryNotFoundError where the library under `sqlite3` cannot be reached.
"""

from __future__ import annotations

from torture.disk.disk import Disk, DiskError
from torture.disk.faults import (
    OPERATIONS,
    POWER_LOSSES,
    Fault,
    Operation,
    PowerLoss,
    Trouble,
    lasting,
)
from torture.disk.library import LibraryNotFoundError, library, seed_randomness
from torture.disk.store import open_store
from torture.disk.vfs import Mounted, raise_mistakes

__all__ = [
    "OPERATIONS",
    "POWER_LOSSES",
    "Disk",
    "DiskError",
    "Fault",
    "LibraryNotFoundError",
    "Mounted",
    "Operation",
    "PowerLoss",
    "Trouble",
    "lasting",
    "library",
    "open_store",
    "raise_mistakes",
    "seed_randomness",
]
