"""One shared state under a `trio.Lock`: each call changes it, writes and commits, then lets go.

The commit is made where a straightforward program makes it: on the loop's thread, inside the
lock. Callers that wait do not share it. What the state lacks is said in `state`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from benchmarks.models.model import WRITE_BEHIND, Disk, encoded_results
from benchmarks.models.state import SharedState
from persistence.store import Durability
from scheduler import Claim, Task, TaskSpec
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.request import checked_all


class Locked:
    """See the module. Implements `Model`."""

    def __init__(self, state: SharedState) -> None:
        self._state = state
        self._lock = trio.Lock()

    async def enqueue(self, specs: Sequence[TaskSpec]) -> list[Task]:
        requests = checked_all(specs, SOURCE_SCORES)
        async with self._lock:
            return self._state.enqueue(requests, time.time())

    async def claim(self, holder: str, limit: int) -> list[Claim]:
        async with self._lock:
            return self._state.claim(holder, limit, time.time())

    async def complete(self, claims: Sequence[Claim]) -> list[Task]:
        results = encoded_results(claims)
        async with self._lock:
            return self._state.complete(claims, results, time.time())

    async def flush(self) -> None:
        async with self._lock:
            self._state.save()

    def close(self) -> None:
        self._state.closed = True

    async def write_behind(self) -> None:
        """Save every now and then what was accepted, until cancelled."""
        while True:
            await trio.sleep(WRITE_BEHIND)
            await self.flush()


@asynccontextmanager
async def opened(path: str, durability: Durability, disk: Disk) -> AsyncIterator[Locked]:
    """The model on a new file; everything is saved at the end."""
    store = disk.open(path, durability)
    try:
        model = Locked(SharedState(store, durability))
        async with trio.open_nursery() as nursery:
            if durability == "accepted":
                nursery.start_soon(model.write_behind)
            yield model
            nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await model.flush()
    finally:
        store.close()
