"""A session with `headrace mcp` over its standard streams, with next to no cost of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from torture.processes.conversation import SessionEndedError, content_of

REVISION = "2025-06-18"
CHUNK = 65_536  # bytes


class StdioSession:
    """One call at a time; `pid` is that of the server."""

    def __init__(
        self, pid: int, to_server: trio.abc.SendStream, from_server: trio.abc.ReceiveStream
    ) -> None:
        self.pid = pid
        self._to_server = to_server
        self._from_server = from_server
        self._received = bytearray()
        self._calls = 0

    async def start(self) -> None:
        """The handshake of a client of the older protocol."""
        client = {"name": "torture", "version": "0"}
        await self.request(
            "initialize",
            {"protocolVersion": REVISION, "capabilities": {}, "clientInfo": client},
        )
        await self._send({"method": "notifications/initialized"})

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured content of a tool's answer. Raises ToolError, SessionEndedError."""
        return content_of(await self.request("tools/call", {"name": tool, "arguments": arguments}))

    async def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The result of any request."""
        self._calls += 1
        await self._send({"id": self._calls, "method": method, "params": params})
        while True:
            message = json.loads(await self._line())
            if message.get("id") == self._calls:
                break
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        result: dict[str, Any] = message["result"]
        return result

    async def _send(self, message: dict[str, Any]) -> None:
        line = json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"
        try:
            await self._to_server.send_all(line)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise SessionEndedError from None

    async def _line(self) -> bytes:
        while (end := self._received.find(b"\n")) < 0:
            try:
                chunk = await self._from_server.receive_some(CHUNK)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise SessionEndedError from None
            if not chunk:
                raise SessionEndedError
            self._received += chunk
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line


@asynccontextmanager
async def session(database: Path, *options: str) -> AsyncIterator[StdioSession]:
    """A server of its own on this database; killed at the end if it does not leave."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "scheduler.cli", "mcp", "--db", str(database), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with process.stdin, process.stdout:
            opened = StdioSession(process.pid, process.stdin, process.stdout)
            await opened.start()
            yield opened
    finally:
        with trio.CancelScope(shield=True):
            with trio.move_on_after(5):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
