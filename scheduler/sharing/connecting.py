"""A handle on a database that other processes may use at the same time."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import trio

from actors.home import must_be_in_trio
from actors.system import alone
from persistence.store import Durability
from scheduler.domain.errors import InvalidRequest
from scheduler.embedded import Scheduler
from scheduler.sharing.door import SharedDoor
from scheduler.sharing.seeker import OwnerOptions, Seeker

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing from Python 3.12 on


@asynccontextmanager
async def connect(
    path: str | os.PathLike[str],
    *,
    durability: Durability = "synced",
    start_at_once: bool = False,
    **options: Unpack[OwnerOptions],
) -> AsyncIterator[Scheduler]:
    """A scheduler on a file that other processes use too: the same handle as `open_scheduler`.

        async with connect("tasks.db") as scheduler:
            await scheduler.enqueue("Build the wheel")

    Whoever comes first runs the actors and serves the others. When it leaves or dies, one of
    the others takes over, and the calls that were under way are answered all the same.
    `durability` and the further options, those of `open_scheduler`, hold while this process
    owns the file.

    With `start_at_once` the block starts before the file is open, and trouble with it is raised
    by the calls. Otherwise raises as `open_scheduler`; StoreLocked if a process has the file
    open that does not `serve`.
    """
    must_be_in_trio()
    if os.fspath(path) == ":memory:":
        raise InvalidRequest(
            "a scheduler in memory cannot be shared",
            field="path",
            received=":memory:",
            allowed="the name of a file",
            hint="Use open_scheduler for one in memory.",
        )
    door = SharedDoor()
    seeker = Seeker(path, door, durability, options, strict=not start_at_once)
    with _one_error_alone():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(seeker.run)
            scheduler = Scheduler(door, door.sources)
            try:
                if not start_at_once:
                    await seeker.found.wait()
                yield scheduler
            finally:
                with trio.CancelScope(shield=True):
                    await scheduler.end_workers()
                seeker.leaving = True
                nursery.cancel_scope.cancel()


@contextmanager
def _one_error_alone() -> Iterator[None]:
    """Let a single error leave as itself and not in a group."""
    try:
        yield
    except BaseExceptionGroup as group:
        error = alone(group)
        if error is group:
            raise
        raise error from error.__cause__
