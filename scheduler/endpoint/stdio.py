"""MCP over standard input and output, natively on Trio."""

from __future__ import annotations

from scheduler.endpoint.server import Endpoint


async def serve_stdio(endpoint: Endpoint) -> None:
    """Serve the one client that started this process, until its end of stdin."""
    raise NotImplementedError
