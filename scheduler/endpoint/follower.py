"""A connection of a client older than 2026-07-28 that has subscribed to resources."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import trio
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import ResourceUpdated, ServerEvent, SubscriptionBus

_KEY = "headrace.follower"


class Follower:
    """Sends updates to one connection, in a task of its own: a slow client delays no other.

    An update that could not be sent yet is not added twice.
    """

    def __init__(self, session: ServerSession) -> None:
        self._session = session
        self.wanting: dict[str, AbstractContextManager[None]] = {}  # entered, by URI
        self._due: dict[str, None] = {}
        self._wake = trio.Event()
        self._scope = trio.CancelScope()

    async def run(self, bus: SubscriptionBus) -> None:
        """Send what is due, until the connection ends."""
        unsubscribe = bus.subscribe(self._hear)
        try:
            with self._scope:
                while True:
                    await self._wake.wait()
                    self._wake = trio.Event()
                    while self._due:
                        uri = next(iter(self._due))
                        del self._due[uri]
                        await self._session.send_resource_updated(uri)
        finally:
            unsubscribe()

    def _hear(self, event: ServerEvent) -> None:
        if isinstance(event, ResourceUpdated) and event.uri in self.wanting:
            self._due[event.uri] = None
            self._wake.set()

    def add(self, uri: str, wanting: AbstractContextManager[None]) -> None:
        """Send updates of this one; `wanting` is entered until they are no longer wanted."""
        wanting.__enter__()
        self.wanting[uri] = wanting

    def drop(self, uri: str) -> None:
        """Send no more updates of this one."""
        self._due.pop(uri, None)
        if (wanting := self.wanting.pop(uri, None)) is not None:
            wanting.__exit__(None, None, None)

    def end(self) -> None:
        """The connection has ended."""
        for uri in list(self.wanting):
            self.drop(uri)
        self._scope.cancel()


def follower_of(
    context: ServerRequestContext[Any, Any], begin: Callable[[Follower], None]
) -> Follower:
    """The follower of this request's connection; a new one is begun, and ends with it."""
    connection = context.session._connection  # the SDK offers handlers no public way to it
    follower = connection.state.get(_KEY)
    if not isinstance(follower, Follower):
        follower = Follower(context.session)
        begin(follower)
        connection.state[_KEY] = follower
        connection.exit_stack.callback(follower.end)
    return follower
