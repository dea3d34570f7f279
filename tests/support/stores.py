"""Stores that misbehave on order, around a store that does not."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator

from persistence.store import Batch, Edge, Filter, Loaded, Pruned, Store, StorePage
from scheduler.domain.errors import StoreUnavailable
from scheduler.domain.task import Attempt, Status, Task
from scheduler.domain.views import Change


class WrappedStore:
    """Passes everything on; `_pass` is called first, with the method's name."""

    def __init__(self, store: Store) -> None:
        self.inner = store

    def _pass(self, method: str) -> None:
        """What a kind of misbehavior overrides."""

    @property
    def location(self) -> str:
        return self.inner.location

    def announce(self, address: str | None) -> None:
        self.inner.announce(address)

    def load(self) -> Loaded:
        self._pass("load")
        return self.inner.load()

    def write(self, batch: Batch) -> Iterator[None]:
        self._pass("write")
        yield from self.inner.write(batch)

    def commit(self) -> None:
        self._pass("commit")
        self.inner.commit()

    def rollback(self) -> None:
        self.inner.rollback()

    def statuses(self, numbers: Collection[int]) -> dict[int, Status]:
        self._pass("statuses")
        return self.inner.statuses(numbers)

    def tasks(self, numbers: Collection[int]) -> dict[int, Task]:
        self._pass("tasks")
        return self.inner.tasks(numbers)

    def results(self, numbers: Collection[int]) -> dict[int, str]:
        self._pass("results")
        return self.inner.results(numbers)

    def by_keys(self, keys: Collection[str]) -> dict[str, Task]:
        self._pass("by_keys")
        return self.inner.by_keys(keys)

    def fallen_with(self, root: int) -> list[Task]:
        self._pass("fallen_with")
        return self.inner.fallen_with(root)

    def dependents(self, number: int) -> list[Edge]:
        self._pass("dependents")
        return self.inner.dependents(number)

    def receipt(self, request: str) -> str | None:
        self._pass("receipt")
        return self.inner.receipt(request)

    def attempts(self, number: int) -> list[Attempt]:
        self._pass("attempts")
        return self.inner.attempts(number)

    def page(self, where: Filter, below: int | None, limit: int) -> StorePage:
        self._pass("page")
        return self.inner.page(where, below, limit)

    def changes(self, since: int, limit: int) -> list[Change]:
        self._pass("changes")
        return self.inner.changes(since, limit)

    def prune(self, created_before: int, finished_before: float, after: int, limit: int) -> Pruned:
        self._pass("prune")
        return self.inner.prune(created_before, finished_before, after, limit)

    def wal_pages(self) -> int:
        return self.inner.wal_pages()

    def checkpoint(self) -> None:
        self._pass("checkpoint")
        self.inner.checkpoint()

    def close(self) -> None:
        self.inner.close()


class SlowStore(WrappedStore):
    """Every commit takes `fsync_seconds` longer, or what `spikes` says for the n-th, from 0."""

    def __init__(
        self, store: Store, fsync_seconds: float, spikes: dict[int, float] | None = None
    ) -> None:
        super().__init__(store)
        self.fsync_seconds = fsync_seconds
        self.spikes = spikes or {}
        self.commits = 0

    def _pass(self, method: str) -> None:
        if method == "commit":
            time.sleep(self.spikes.get(self.commits, self.fsync_seconds))
            self.commits += 1


class FailingStore(WrappedStore):
    """While `failing` is true, `methods` (None: all) raise StoreUnavailable."""

    def __init__(self, store: Store, methods: Collection[str] | None = None) -> None:
        super().__init__(store)
        self.methods = methods
        self.failing = False

    def _pass(self, method: str) -> None:
        if self.failing and (self.methods is None or method in self.methods):
            outcome = "unknown" if method == "commit" else "refused"
            raise StoreUnavailable("the disk is out on purpose", outcome=outcome)
