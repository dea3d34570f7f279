"""One conversation with the scheduler on the database of a command, wherever it runs.

If another process has the file open and shares it, that one is asked; else this one opens it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import trio

from persistence.ownership import owner_of
from scheduler import connect
from scheduler.cli import location
from scheduler.cli.opening import FOR_PEOPLE
from scheduler.domain.errors import StoreUnavailable
from scheduler.embedded import Scheduler

Answer = TypeVar("Answer")


def ask(
    database: str,
    question: Callable[[Scheduler], Awaitable[Answer]],
    *,
    create: bool = False,
) -> Answer:
    """The answer of the scheduler on this file, which must exist unless `create`."""
    if create:
        location.prepare(database)
    else:
        location.check(database)
        must_exist(database)

    async def conversation() -> Answer:
        async with connect(database, closing_time=FOR_PEOPLE) as scheduler:
            try:
                return await question(scheduler)
            except StoreUnavailable as error:
                if error.outcome != "unknown" or not _is_ours(database):
                    raise
                late = error
        raise StoreUnavailable(  # closing would have raised if anything were unsaved
            f"{late.message}; but it has been saved since",
            outcome="saved",
            hint="Do not repeat the call: look at it with `headrace list`.",
        )

    return trio.run(conversation)


def _is_ours(database: str) -> bool:
    """Whether this process has the file open, so that its own closing saves what is left."""
    return owner_of(os.path.realpath(database)) == os.getpid()


def must_exist(database: str) -> None:
    """Refuse a name that no file has: a command that reads makes none."""
    if not Path(database).exists() and location.is_default(database):
        raise StoreUnavailable(
            f"there is no queue here yet: {database} does not exist",
            retryable=False,
            hint="`headrace enqueue` or `run` makes it; --db or HEADRACE_DB names another.",
        )
    if not Path(database).exists():
        raise StoreUnavailable(
            "there is no such database",
            field="--db",
            received=database,
            allowed="a file that headrace made",
            hint="Name it with --db or HEADRACE_DB; `headrace enqueue` or `run` makes one.",
        )
