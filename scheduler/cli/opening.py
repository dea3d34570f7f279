"""How commands that stay open a database: alone in memory, else shared with other processes."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager

from persistence.store import Durability
from scheduler import Scheduler, connect, open_scheduler
from scheduler.cli import location

# Seconds that a failing disk can hold up the end of a command.
FOR_CLIENTS = 1.0  # that soon use force
FOR_PEOPLE = 3.0  # who have waited for the call itself
FOR_WORK = 5.0  # whose end would else be lost

# A lease that another worker lost is in its task's story; on stderr it would pass for trouble here.
# Commands that set up logging, such as `serve`, show it.
logging.getLogger("headrace.prioritizer").addHandler(logging.NullHandler())


def opened(
    database: str,
    *,
    closing_time: float,
    durability: Durability = "synced",
    start_at_once: bool = False,
) -> AbstractAsyncContextManager[Scheduler]:
    """The scheduler on a file, or on one of its own in memory."""
    if database == location.IN_MEMORY:
        return open_scheduler(database, durability=durability, closing_time=closing_time)
    return connect(
        database, durability=durability, start_at_once=start_at_once, closing_time=closing_time
    )
