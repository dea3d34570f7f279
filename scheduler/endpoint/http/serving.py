"""MCP over Streamable HTTP: sessions of the older eras and the stateless one, at one address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import trio
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from scheduler.endpoint.http.application import MAX_BODY, Application
from scheduler.endpoint.http.connections import Connections
from scheduler.endpoint.http.refusals import Rules

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

MAX_SESSIONS = 256
SESSION_IDLE = 30 * 60.0  # seconds


async def serve_http(
    server: Server[Any],
    listeners: Sequence[trio.SocketListener],
    rules: Rules,
    stop: trio.Event,
    *,
    streams: bool = False,
    max_sessions: int = MAX_SESSIONS,
    session_idle: float = SESSION_IDLE,
) -> None:
    """Serve until `stop` is set: then calls have half a second to finish.

    An answer is one JSON body, at half the cost of an event stream; only what the server says
    unasked is streamed. With `streams` answers are streamed too, for a server that talks while
    it answers.
    """
    manager = StreamableHTTPSessionManager(
        server,
        json_response=not streams,
        session_idle_timeout=session_idle,
        max_request_body_size=MAX_BODY,
        max_sessions=max_sessions,
    )
    async with manager.run():
        await Connections(Application(manager.handle_request, rules)).serve(listeners, stop)
