"""A scheduler whose clock is Trio's, and in which nothing is left to chance."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING

import trio

from persistence.store import MEMORY, Durability, Store
from scheduler import embedding
from scheduler.domain.task import moment
from scheduler.embedded import Scheduler

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing from Python 3.12 on

    from scheduler.sharing.seeker import OwnerOptions

START = 1_800_000_000.0  # Unix seconds at 0 of Trio's clock: 2027-01-15 08:00 UTC


def wall_clock() -> float:
    """Unix seconds that go with Trio's clock; in a Trio task."""
    return START + trio.current_time()


def now() -> datetime:
    """The same as an aware datetime: for a `deadline` or a `not_before`."""
    return moment(wall_clock())


@asynccontextmanager
async def open_scheduler(
    path: str | os.PathLike[str] = MEMORY,
    *,
    seed: int = 0,
    durability: Durability = "synced",
    store: Store | None = None,
    **options: Unpack[OwnerOptions],
) -> AsyncIterator[Scheduler]:
    """A scheduler for a test, in memory; under `testing.run`, or with a MockClock.

        async with testing.open_scheduler(seed=7) as scheduler:
            task = await scheduler.enqueue("Build", not_before=testing.now() + timedelta(hours=1))
            await trio.sleep(3600)

    The same `seed` makes the same ids, tokens and jitter. Commits are not timed and use no thread.
    A `path` keeps the tasks in a file, to test a restart. All else is as in
    `scheduler.open_scheduler`; an option given here replaces what this chooses.
    """
    settled: OwnerOptions = {
        "wall_clock": wall_clock,
        "random_bits": Random(seed).getrandbits,  # noqa: S311 - to be repeated, not to be secret
        "timer": None,
    }
    settled.update(options)
    async with embedding.open_scheduler(
        path, durability=durability, store=store, **settled
    ) as scheduler:
        yield scheduler
