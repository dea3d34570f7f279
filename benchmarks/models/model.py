"""What every concurrency model offers, and the disk that it works on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from persistence.sqlite import open_sqlite
from persistence.store import Durability, Store
from scheduler import Claim, Task, TaskSpec
from scheduler.domain.encoding import encode_json
from tests.support.stores import WrappedStore

LEASE = 300.0  # seconds
RESULT = {"ok": True}  # of every task
MAX_UNSAVED = 2_000  # changes that `accepted` may run ahead of the file, in every model
WRITE_BEHIND = 0.02  # seconds between its writes, as the persister has it
CHECKPOINT_PAGES = 2_000  # likewise
LOOK_AT_LOG_EVERY = 16  # commits, likewise


class Model(Protocol):
    """The three calls of a task's life, each answered as safe as the file was opened.

    They are coroutines also where nothing is awaited, so that one driver serves all.
    """

    async def enqueue(self, specs: Sequence[TaskSpec]) -> list[Task]:
        """Make tasks, all or none; specs may name each other as prerequisites."""
        ...

    async def claim(self, holder: str, limit: int) -> list[Claim]:
        """Lease up to `limit` of the best ready tasks."""
        ...

    async def complete(self, claims: Sequence[Claim]) -> list[Task]:
        """End these tasks well, and release what waited for them alone."""
        ...

    async def flush(self) -> None:
        """Return when everything answered so far is saved."""
        ...

    def close(self) -> None:
        """Let no call begin any more: those that wait their turn raise SchedulerClosed."""
        ...


def encoded_results(claims: Sequence[Claim]) -> list[str]:
    """The result of each task, proved and encoded one by one as the product does it."""
    return [encode_json("result", RESULT) for _ in claims]


class Disk(NamedTuple):
    """A disk that takes `fsync` seconds longer for each fsync than the real one.

    The sleep stands where SQLite syncs: in a commit if the file is `synced`, and twice in a
    checkpoint, which syncs the log and then the database, at every level.
    """

    name: str
    fsync: float

    def sync(self, times: int) -> None:
        if self.fsync:
            time.sleep(self.fsync * times)

    def open(self, path: str, durability: Durability) -> Store:
        """The product's store on this disk."""
        store = open_sqlite(path, durability=durability)
        return SlowStore(store, self, durability) if self.fsync else store


REAL = Disk("real disk", 0.0)


class SlowStore(WrappedStore):
    """A store on a slow `disk`."""

    def __init__(self, store: Store, disk: Disk, durability: Durability) -> None:
        super().__init__(store)
        self._disk = disk
        self._syncs = {"commit": 1 if durability == "synced" else 0, "checkpoint": 2}

    def _pass(self, method: str) -> None:
        if syncs := self._syncs.get(method):
            self._disk.sync(syncs)


Opening = Callable[[str, Durability, Disk], AbstractAsyncContextManager[Model]]
