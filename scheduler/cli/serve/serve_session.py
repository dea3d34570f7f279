"""One run of `headrace serve`, from the opening of the database to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import click
import msgspec
import trio

from scheduler.cli import location
from scheduler.cli.opening import FOR_CLIENTS, opened
from scheduler.cli.serve.mcp_session import log_to_stderr
from scheduler.cli.signals import heeded
from scheduler.cli.text import safe
from scheduler.endpoint.http.addresses import listen, read_place
from scheduler.endpoint.http.refusals import Rules
from scheduler.endpoint.http.serving import serve_http
from scheduler.endpoint.http.tokens import TokenFile
from scheduler.endpoint.server import Endpoint
from scheduler.endpoint.tools import Profile


class Settings(msgspec.Struct, frozen=True):
    """The options of `serve`."""

    database: str
    profile: Profile
    http: str
    token_file: Path
    allow_remote: bool
    hosts: Sequence[str]
    origins: Sequence[str]


def serve(settings: Settings) -> None:
    """Serve until a signal comes."""
    log_to_stderr()
    trio.run(_session, settings)


async def _session(settings: Settings) -> None:
    place = read_place(
        settings.http, allow_remote=settings.allow_remote, extra_hosts=settings.hosts
    )
    tokens = TokenFile(settings.token_file)
    made = tokens.ensure()
    place, listeners = await listen(place)
    rules = Rules(tokens, place.hosts(settings.hosts), settings.origins)
    location.prepare(settings.database)
    async with (
        opened(settings.database, closing_time=FOR_CLIENTS) as scheduler,
        _stopped_by_signal() as stop,
        trio.open_nursery() as nursery,
    ):
        endpoint = Endpoint(scheduler, settings.profile)
        await nursery.start(endpoint.watch)
        _announce(place.url(), settings, made)
        await serve_http(endpoint.server, listeners, rules, stop)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _stopped_by_signal() -> AsyncIterator[trio.Event]:
    """An event that the first signal sets; a second one ends the process as usual."""
    stop = trio.Event()

    async def heed(*, task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(*heeded()) as signals:
            task_status.started()
            async for _ in signals:
                break
        stop.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(heed)
        yield stop
        nursery.cancel_scope.cancel()


def _announce(url: str, settings: Settings, made: bool) -> None:
    click.echo(
        f"headrace serves {safe(settings.database)} at {url}\n"
        f"  the token is in {safe(str(settings.token_file))}{' (made just now)' if made else ''}\n"
        "  `headrace serve --print-config` says how to tell your clients; Ctrl-C ends it",
        err=True,
    )
