"""Accepts HTTP connections, as many as may be, and ends them all in bounded time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext

from scheduler.endpoint.http.application import Application
from scheduler.endpoint.http.connection import Connection

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework

MAX_CONNECTIONS = 512
GRACE = 0.5  # seconds for calls under way when the end comes

_log = logging.getLogger(__name__)


class Connections:
    """The open connections of one application; `serve` runs until `stop` is set."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._wrapped = ASGIWrapper(_as_hypercorn_has_it(app))
        self._context = WorkerContext(None)
        self._open: set[Connection] = set()
        self._config = Config()
        self._config.include_server_header = False
        self._config.errorlog = _log

    async def serve(self, listeners: Sequence[trio.SocketListener], stop: trio.Event) -> None:
        """Serve until `stop` is set, then let calls finish for a moment and close everything."""
        async with trio.open_nursery() as connections:
            try:
                async with trio.open_nursery() as accepting:
                    listen = partial(trio.serve_listeners, handler_nursery=connections)
                    accepting.start_soon(listen, self._handle, list(listeners))
                    await stop.wait()
                    accepting.cancel_scope.cancel()
                await self._context.terminated.set()  # no connection serves another request
                for connection in self._open:
                    connection.close_if_idle()
                with trio.move_on_after(GRACE):
                    await self._app.close()
            finally:
                for connection in self._open:
                    connection.close()
                connections.cancel_scope.cancel()

    async def _handle(self, accepted: trio.SocketStream) -> None:
        if len(self._open) >= MAX_CONNECTIONS:
            await accepted.aclose()
            return
        connection = Connection(accepted, self._wrapped, self._config, self._context)
        self._open.add(connection)
        try:
            await connection.run()
        except Exception as error:  # ends this connection alone; anybody can bring it about
            _log.debug("a connection failed: %s", type(error).__name__, exc_info=True)
        finally:
            self._open.discard(connection)
            connection.close()


def _as_hypercorn_has_it(app: Application) -> ASGIFramework:
    return app  # type: ignore[return-value]  # the same protocol in types of another name
