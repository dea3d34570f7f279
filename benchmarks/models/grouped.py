"""One shared state on the loop's thread, whose callers share their commits: a better `locked`.

A call that never awaits needs no lock in Trio: it changes the state in one go. Then it waits for
a commit together with all that came in the same turn of the loop; the first of them makes it, on
the loop's thread. This is what the actors' persister does for its callers, without the actors.
It is here to tell apart what the shared commit wins and what the actors do.

If a commit fails, who made it hears so and nobody else does: the program must end then. What
the state lacks is said in `state`. At `accepted` nothing is shared: see `locked`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from benchmarks.models.model import Disk, encoded_results
from benchmarks.models.state import SharedState
from persistence.store import Durability
from scheduler import Claim, Task, TaskSpec
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.request import checked_all


class Grouped:
    """See the module. Implements `Model`."""

    def __init__(self, state: SharedState) -> None:
        self._state = state
        self._next_commit: trio.Event | None = None

    async def enqueue(self, specs: Sequence[TaskSpec]) -> list[Task]:
        made = self._state.enqueue(checked_all(specs, SOURCE_SCORES), time.time())
        await self.flush()
        return made

    async def claim(self, holder: str, limit: int) -> list[Claim]:
        claims = self._state.claim(holder, limit, time.time())
        await self.flush()
        return claims

    async def complete(self, claims: Sequence[Claim]) -> list[Task]:
        completed = self._state.complete(claims, encoded_results(claims), time.time())
        await self.flush()
        return completed

    async def flush(self) -> None:
        if self._next_commit is not None:
            await self._next_commit.wait()
            return
        saved = self._next_commit = trio.Event()
        await trio.lowlevel.cancel_shielded_checkpoint()  # all who are about to run join in
        self._next_commit = None
        self._state.save()
        saved.set()

    def close(self) -> None:
        self._state.closed = True


@asynccontextmanager
async def opened(path: str, durability: Durability, disk: Disk) -> AsyncIterator[Grouped]:
    """The model on a new file. Not for `accepted`: see the module."""
    assert durability != "accepted"
    store = disk.open(path, durability)
    try:
        yield Grouped(SharedState(store, "accepted"))  # it is told when to save
    finally:
        store.close()
