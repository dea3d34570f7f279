"""A headrace store on a simulated disk.

What the store does around its file, it does to a real one: an empty file of the same path, and
the lock beside it. The log is measured on the simulated disk.
"""

from __future__ import annotations

import os

from persistence.failures import unavailable
from persistence.sqlite import SQLiteStore, open_sqlite
from persistence.store import Durability
from persistence.wal import WalGauge
from torture.disk.disk import Disk, DiskError
from torture.disk.vfs import Mounted


class DiskGauge(WalGauge):
    """Reads a log that no descriptor leads to."""

    def __init__(self, database: str, disk: Disk) -> None:
        super().__init__(database)
        self._disk = disk

    def _opened(self) -> int | None:
        return -1 if self._disk.has(self._path) else None

    def _read(self, _descriptor: int, size: int, offset: int) -> bytes:
        return self._disk.peek(self._path, size, offset)

    def close(self) -> None:
        """There is nothing to close."""


def open_store(mounted: Mounted, path: str, durability: Durability = "synced") -> SQLiteStore:
    """Open `path` (in a real folder) on the disk; the file is made if it is not there.

    Raises what `open_sqlite` raises. The disk must stay mounted until the store is closed.
    """
    path = os.path.realpath(path)
    mounted.disk.create(path)

    def mend_log(path: str) -> None:
        try:
            mounted.disk.write_again(path + "-wal")  # as `write_log_again` does on a real disk
        except DiskError as error:
            raise unavailable(str(error), path, "Try again.", retryable=True) from error

    store = open_sqlite(path, durability=durability, vfs=mounted.name, mend_log=mend_log)
    store._wal = DiskGauge(path, mounted.disk)
    return store
