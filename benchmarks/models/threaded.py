"""One shared state under a `threading.Lock`, and a thread for each caller.

Each call changes the state, writes and commits inside the lock. Only what SQLite and the disk do
runs beside the other threads: the rest needs the interpreter, which one thread has at a time.
What the state lacks is said in `state`; a call cannot be cancelled either.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from benchmarks.models.model import WRITE_BEHIND, Disk, encoded_results
from benchmarks.models.state import SharedState
from persistence.store import Durability
from scheduler import Claim, Task, TaskSpec
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.request import checked_all


class Threaded:
    """See the module. Implements `Model`; its coroutines never wait for a loop."""

    def __init__(self, state: SharedState) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._ended = threading.Event()

    async def enqueue(self, specs: Sequence[TaskSpec]) -> list[Task]:
        requests = checked_all(specs, SOURCE_SCORES)
        with self._lock:
            return self._state.enqueue(requests, time.time())

    async def claim(self, holder: str, limit: int) -> list[Claim]:
        with self._lock:
            return self._state.claim(holder, limit, time.time())

    async def complete(self, claims: Sequence[Claim]) -> list[Task]:
        results = encoded_results(claims)
        with self._lock:
            return self._state.complete(claims, results, time.time())

    async def flush(self) -> None:
        self.save()

    def save(self) -> None:
        with self._lock:
            self._state.save()

    def close(self) -> None:
        self._state.closed = True
        self._ended.set()

    def write_behind(self) -> None:
        """Save every now and then what was accepted, until closed."""
        while not self._ended.wait(WRITE_BEHIND):
            self.save()


@asynccontextmanager
async def opened(path: str, durability: Durability, disk: Disk) -> AsyncIterator[Threaded]:
    """The model on a new file; everything is saved at the end."""
    store = disk.open(path, durability)
    try:
        model = Threaded(SharedState(store, durability))
        writer = threading.Thread(target=model.write_behind)
        if durability == "accepted":
            writer.start()
        try:
            yield model
        finally:
            model.close()
            if durability == "accepted":
                writer.join()
            model.save()
    finally:
        store.close()
