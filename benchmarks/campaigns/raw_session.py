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

REVISION = "2025-06-18"


class SessionEndedError(Exception):
    """The server's process has gone."""


class ToolError(Exception):
    """A tool answered with an error: `body`."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(f"{body.get('code')}: {body.get('message')}")
        self.body = body


class RawSession:
    """One call at a time; `pid` is that of the server."""

    def __init__(self, process: trio.Process) -> None:
        self.pid = process.pid
        self._process = process
        self._received = bytearray()
        self._calls = 0

    async def start(self) -> None:
        """The handshake of a client of the older protocol."""
        client = {"name": "benchmark", "version": "0"}
        await self.request(
            "initialize",
            {"protocolVersion": REVISION, "capabilities": {}, "clientInfo": client},
        )
        await self._send({"method": "notifications/initialized"})

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured content of a tool's answer. Raises ToolError, SessionEndedError."""
        result = await self.request("tools/call", {"name": tool, "arguments": arguments})
        body: dict[str, Any] = result["structuredContent"]
        if result.get("isError"):
            raise ToolError(body)
        return body

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
        assert self._process.stdin is not None
        line = json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"
        try:
            await self._process.stdin.send_all(line)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise SessionEndedError from None

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        while (end := self._received.find(b"\n")) < 0:
            chunk = await self._process.stdout.receive_some()
            if not chunk:
                raise SessionEndedError
            self._received += chunk
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line


@asynccontextmanager
async def session(database: Path, *options: str) -> AsyncIterator[RawSession]:
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
            opened = RawSession(process)
            await opened.start()
            yield opened
    finally:
        with trio.CancelScope(shield=True):
            with trio.move_on_after(5):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
