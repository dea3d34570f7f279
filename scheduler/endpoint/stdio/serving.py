"""MCP over standard input and output, natively on Trio.

No threads: reading can be cancelled at any moment, and a call costs half of what it costs on the
SDK's own transport.
"""

from __future__ import annotations

import os

import trio

from scheduler.endpoint.server import Endpoint
from scheduler.endpoint.stdio.standard_streams import diverted
from scheduler.endpoint.stdio.stdin import Input
from scheduler.endpoint.stdio.stdout import Output


async def serve_stdio(endpoint: Endpoint) -> None:
    """Serve the one client that started this process, until its end of stdin.

    Calls that wait for something then are cancelled at once; the others have a moment to be
    answered. Both streams are as blocking afterwards as they were before.
    """
    with diverted() as (received, sent):
        await serve_pipes(endpoint, received, sent)


async def serve_pipes(endpoint: Endpoint, received: int, sent: int) -> None:
    """The same for a client on two descriptors, which stay open."""
    server = endpoint.server
    async with (
        trio.lowlevel.FdStream(os.dup(received)) as incoming,
        trio.lowlevel.FdStream(os.dup(sent)) as outgoing,
        trio.open_nursery() as nursery,
    ):
        output = Output(outgoing, nursery.cancel_scope)
        await nursery.start(endpoint.watch)
        nursery.start_soon(output.write_unsent)
        await server.run(Input(incoming, output), output, server.create_initialization_options())
        await output.finish()
        nursery.cancel_scope.cancel()
