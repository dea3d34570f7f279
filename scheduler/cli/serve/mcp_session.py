"""One session of `headrace mcp`, from the opening of the database to the exit code."""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractAsyncContextManager, suppress

import trio

from scheduler import Scheduler, connect, open_scheduler
from scheduler.cli import exit_codes, location
from scheduler.cli.signals import heeded
from scheduler.domain.errors import SchedulerError
from scheduler.endpoint.server import Endpoint
from scheduler.endpoint.stdio.serving import serve_stdio
from scheduler.endpoint.stdio.standard_streams import must_be_open
from scheduler.endpoint.tools import Profile

CLOSING_TIME = 1.0  # seconds that a failing disk can hold up the end: clients soon use force


def serve(database: str, profile: Profile) -> int:
    """Serve one client until it leaves or a signal comes; returns the exit code."""
    must_be_open()
    log_to_stderr()
    with suppress(SchedulerError):  # else each call will say what is wrong, where agents see it
        location.prepare(database)
    number = trio.run(_session, database, profile)
    return 128 + number if number else exit_codes.OK


def log_to_stderr() -> None:
    """Warnings and errors, one line each; stdout belongs to the protocol."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="headrace: %(levelname)s: %(message)s"
    )


async def _session(database: str, profile: Profile) -> int:
    """Returns the number of the signal that ended it, or 0."""
    async with _opened(database) as scheduler:
        with trio.open_signal_receiver(*heeded()) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until_served, Endpoint(scheduler, profile), nursery)
                async for number in signals:
                    nursery.cancel_scope.cancel()
                    return number
    return 0


def _opened(database: str) -> AbstractAsyncContextManager[Scheduler]:
    """The scheduler on a file, shared with other processes; one in memory is this one's alone."""
    if database == ":memory:":
        return open_scheduler(database)
    return connect(database, start_at_once=True, closing_time=CLOSING_TIME)


async def _until_served(endpoint: Endpoint, nursery: trio.Nursery) -> None:
    await serve_stdio(endpoint)
    nursery.cancel_scope.cancel()
