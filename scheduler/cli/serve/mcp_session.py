"""One session of `headrace mcp`, from the opening of the database to the exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeVar

import click
import trio

from actors.home import InTrio
from actors.observer import Callback, Carry, Listener
from actors.system import Asking
from scheduler.cli import exit_codes, location
from scheduler.cli.opening import FOR_CLIENTS, opened
from scheduler.cli.signals import heeded
from scheduler.domain.errors import SchedulerError, from_dict
from scheduler.domain.views import Claim
from scheduler.endpoint.server import Endpoint
from scheduler.endpoint.stdio.serving import serve_stdio
from scheduler.endpoint.stdio.standard_streams import must_be_open
from scheduler.endpoint.tools import Profile
from scheduler.handle import Handle

T = TypeVar("T")
AT_A_TERMINAL = (
    "headrace mcp speaks MCP with the program that starts it; `headrace mcp --print-config` says"
    " how to add it to a client. Ctrl-C ends it."
)


def serve(database: str, profile: Profile) -> int:
    """Serve one client until it leaves or a signal comes; returns the exit code."""
    must_be_open()
    log_to_stderr()
    if sys.stdin.isatty():  # nobody's client
        click.echo(AT_A_TERMINAL, err=True)
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


class _NoWay(InTrio):
    """A Door to nowhere. Each call tells why: agents see answers, not how a session starts."""

    sequence = None

    def __init__(self, trouble: SchedulerError) -> None:
        self._facts = trouble.as_dict()
        self._facts["hint"] = f"{self._facts['hint']} Then start this session anew."

    async def ask(self, command: Asking[T]) -> T:
        raise from_dict(self._facts)

    def observe(self, callback: Callback, carry: Carry | None = None) -> Listener:
        raise from_dict(self._facts)

    async def give_back(self, claims: Iterable[Claim]) -> None:
        """Nothing was claimed."""


def _opened(database: str) -> AbstractAsyncContextManager[Handle]:
    try:
        location.prepare(database)
    except SchedulerError as trouble:
        return nullcontext(Handle(_NoWay(trouble)))
    return opened(database, closing_time=FOR_CLIENTS, start_at_once=True)


async def _until_served(endpoint: Endpoint, nursery: trio.Nursery) -> None:
    await serve_stdio(endpoint)
    nursery.cancel_scope.cancel()
