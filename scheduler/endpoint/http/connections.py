"""Accepts HTTP connections, hands each to hypercorn, and ends them all in bounded time.

`hypercorn.trio.serve` would do, but it shields what it sends: one client that stops reading
would keep the process from ending. So the sockets are held here, with a deadline on each write.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from scheduler.endpoint.http.application import Application

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework

MAX_CONNECTIONS = 512
HEAD_TIME = 60.0  # seconds for the head of a request, and between two requests
WRITE_TIME = 30.0  # seconds in which a client must take what is sent
GRACE = 0.5  # seconds for calls under way when the end comes

_log = logging.getLogger(__name__)


class Connections:
    """The open connections of one application; `serve` runs until `stop` is set."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._wrapped = ASGIWrapper(_as_hypercorn_has_it(app))
        self._context = WorkerContext(None)
        self._open: set[_Stream] = set()
        self._config = Config()
        self._config.keep_alive_timeout = HEAD_TIME
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
                await self._context.terminated.set()  # ends idle connections
                with trio.move_on_after(GRACE):
                    await self._app.close()
            finally:
                for stream in self._open:
                    stream.socket.close()
                connections.cancel_scope.cancel()

    async def _handle(self, accepted: trio.SocketStream) -> None:
        if len(self._open) >= MAX_CONNECTIONS:
            await accepted.aclose()
            return
        stream = _Stream(accepted)
        server = TCPServer(
            self._wrapped,
            self._config,
            self._context,
            ConnectionState({}),
            stream,  # type: ignore[arg-type]  # without TLS it takes a plain one
        )
        stream.at_end = server.idle_task.stop
        self._open.add(stream)
        try:
            await server
        except Exception as error:  # ends this connection alone; anybody can bring it about
            _log.debug("a connection failed: %s", type(error).__name__, exc_info=True)
        finally:
            self._open.discard(stream)
            stream.socket.close()


class _Stream:
    """A connection that breaks when its client takes nothing for too long.

    At the end of what the client sends it calls `at_end`: hypercorn would keep the connection
    for as long as one between two requests.
    """

    at_end: Callable[[], Awaitable[None]]

    def __init__(self, stream: trio.SocketStream) -> None:
        self.socket = stream.socket
        self.send_eof = stream.send_eof
        self.aclose = stream.aclose
        self._stream = stream

    async def receive_some(self, max_bytes: int) -> bytes:
        try:
            data = bytes(await self._stream.receive_some(max_bytes))
        except trio.BrokenResourceError:
            data = b""
        if not data:
            await self.at_end()
        return data

    async def send_all(self, data: bytes) -> None:
        with trio.move_on_after(WRITE_TIME):
            await self._stream.send_all(data)
            return
        self.socket.close()
        raise trio.BrokenResourceError("the client takes nothing")


def _as_hypercorn_has_it(app: Application) -> ASGIFramework:
    return app  # type: ignore[return-value]  # the same protocol in types of another name
