"""Who wants to hear of which resource, and the one watcher that tells them.

Clients of the revision 2026-07-28 open a stream with `subscriptions/listen`; older ones send
`resources/subscribe` and are told on their connection. For both a watcher follows the change feed
of the scheduler, while there is anyone to tell. Each change comes after its commit. Changes in
quick succession become one update, for an update says no more than "read it again".
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

import mcp_types as types
import trio
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp.shared.exceptions import MCPError

from scheduler.domain.errors import SchedulerClosed, SchedulerError, SequenceTooOld
from scheduler.endpoint import resources
from scheduler.endpoint.follower import Follower, follower_of
from scheduler.endpoint.toolkit.bounds import SLICE
from scheduler.handle import Handle

Context = ServerRequestContext[Any, Any]

FOLDING = 0.1  # seconds between two updates of a resource
RETRY_AFTER = 1.0  # seconds, when the changes cannot be read
MOST_URIS = 1_000  # of one client

logger = logging.getLogger(__name__)


class Subscriptions:
    """The subscriptions of all clients of one endpoint."""

    def __init__(self, scheduler: Handle) -> None:
        self._scheduler = scheduler
        self._bus = InMemorySubscriptionBus()
        self._listen = ListenHandler(self._bus)
        self._wanted: dict[str, Counter[str]] = {}  # by canonical URI: as the clients spell it
        self._nursery: trio.Nursery | None = None
        self._starting = trio.Lock()
        self._watcher: trio.CancelScope | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve subscriptions until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    async def listen(
        self, context: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """One stream of a client of 2026-07-28, until it leaves."""
        uris = set(params.notifications.resource_subscriptions or ())
        _check_number(len(uris))
        with self._wanting(uris):
            if uris:
                await self._watch()
            return await self._listen(context, params)

    async def subscribe(
        self, context: Context, params: types.SubscribeRequestParams
    ) -> types.EmptyResult:
        """Tell a client of an older revision about this resource from now on."""
        if resources.canonical(params.uri) is None:
            raise resources.unknown(params.uri)
        follower = follower_of(context, self._begin_following)
        if params.uri not in follower.wanting:
            _check_number(len(follower.wanting) + 1)
            follower.add(params.uri, self._wanting({params.uri}))
        await self._watch()
        return types.EmptyResult()

    async def unsubscribe(
        self, context: Context, params: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        """Tell it no more."""
        follower_of(context, self._begin_following).drop(params.uri)
        return types.EmptyResult()

    async def publish(self, targets: Iterable[str]) -> None:
        """Say that these resources, by their canonical URIs, have changed."""
        spelled = [uri for target in targets for uri in self._wanted.get(target, ())]
        for uri in spelled:
            await self._bus.publish(ResourceUpdated(uri))

    def _begin_following(self, follower: Follower) -> None:
        self._running().start_soon(follower.run, self._bus)

    def _running(self) -> trio.Nursery:
        if self._nursery is None:
            raise MCPError(types.INTERNAL_ERROR, "nobody serves subscriptions here")
        return self._nursery

    @contextmanager
    def _wanting(self, uris: Iterable[str]) -> Iterator[None]:
        """Count these URIs as wanted; without any, the watcher ends."""
        pairs = [(resources.canonical(uri) or uri, uri) for uri in uris]
        for target, uri in pairs:
            self._wanted.setdefault(target, Counter())[uri] += 1
        try:
            yield
        finally:
            for target, uri in pairs:
                self._wanted[target] -= Counter((uri,))
                if not self._wanted[target]:
                    del self._wanted[target]
            if not self._wanted and self._watcher is not None:
                self._watcher.cancel()
                self._watcher = None

    async def _watch(self) -> None:
        """Let the watcher run: every change from now on is told."""
        async with self._starting:
            if self._watcher is None:
                self._watcher = await self._running().start(self._follow_changes)

    async def _follow_changes(self, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        with trio.CancelScope() as scope:
            _, since = await self._scheduler.read_changes(None)
            task_status.started(scope)
            while True:
                try:
                    touched, since = await self._next_changes(since)
                except SchedulerClosed:
                    return
                except SequenceTooOld:
                    touched, (_, since) = (
                        set(self._wanted),
                        await self._scheduler.read_changes(None),
                    )
                except SchedulerError as error:
                    logger.warning("changes cannot be read: %s", error.message)
                    await trio.sleep(RETRY_AFTER)
                    continue
                await self.publish(touched)
                await trio.sleep(FOLDING)

    async def _next_changes(self, since: int | None) -> tuple[set[str], int]:
        """The wanted resources that have changed since (None: now), and where to go on from."""
        touched: set[str] = set()
        wait = inf
        while True:
            before = since
            changes, since = await self._scheduler.read_changes(since, limit=SLICE, wait=wait)
            if not changes and since != before:  # a lane was paused or let on
                touched.add(resources.STATUS)
            for change in changes:
                touched.update(resources.touched_by(change.task))
            if len(changes) < SLICE:
                return touched & self._wanted.keys(), since
            wait = 0.0


def _check_number(uris: int) -> None:
    if uris > MOST_URIS:
        raise MCPError(types.INVALID_PARAMS, f"more than {MOST_URIS:,} subscriptions of one client")
