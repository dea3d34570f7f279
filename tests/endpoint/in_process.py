"""An endpoint over a scheduler in memory, and a client of the SDK, in the test's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
import trio
from mcp.client import Client

from scheduler import Scheduler, open_scheduler
from scheduler.endpoint.server import Endpoint
from scheduler.endpoint.tools import Profile

LEGACY, MODERN = "legacy", "2026-07-28"
PATIENCE = 10.0  # seconds until a test gives up


class Heard:
    """The updates that a client of the handshake era was sent, by URI."""

    def __init__(self) -> None:
        self.uris: list[str] = []
        self._more = trio.Event()

    async def __call__(self, message: Any) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            self.uris.append(message.params.uri)
            self._more.set()

    async def next(self) -> None:
        """Wait for another one."""
        with trio.fail_after(PATIENCE):
            await self._more.wait()
            self._more = trio.Event()


@asynccontextmanager
async def serving(
    mode: str, profile: Profile = "core", heard: Heard | None = None
) -> AsyncIterator[tuple[Scheduler, Client]]:
    async with open_scheduler() as scheduler, trio.open_nursery() as nursery:
        endpoint = Endpoint(scheduler, profile)
        await nursery.start(endpoint.watch)
        async with Client(endpoint.server, mode=mode, message_handler=heard) as client:
            yield scheduler, client
        nursery.cancel_scope.cancel()


def text_of(content: Any) -> str:
    """The text of what must be a text."""
    assert isinstance(content, types.TextContent | types.TextResourceContents)
    return content.text
