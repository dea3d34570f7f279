"""A client of `headrace serve`: one connection, stateless calls, one at a time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import trio

from torture.processes.conversation import SessionEndedError, content_of

REVISION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientInfo": {"name": "torture", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
CHUNK = 65_536  # bytes
ANNOUNCED = re.compile(r"headrace serves .* at http://127\.0\.0\.1:(\d+)/mcp\n")


class HttpSession:
    """See the module; `pid` is that of the server."""

    def __init__(self, pid: int, stream: trio.SocketStream, port: int, token: str) -> None:
        self.pid = pid
        self._stream = stream
        self._port = port
        self._host = f"127.0.0.1:{port}"
        self._token = token
        self._received = bytearray()
        self._calls = 0
        self._last = False  # the server serves no more requests on this connection

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured content of a tool's answer. Raises ToolError, SessionEndedError."""
        self._calls += 1
        params = {"name": tool, "arguments": arguments, "_meta": META}
        message = {"jsonrpc": "2.0", "id": self._calls, "method": "tools/call", "params": params}
        try:
            if self._last:
                await self._reconnect()
            await self._stream.send_all(self._request(tool, json.dumps(message).encode()))
            status, body = await self._answer()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise SessionEndedError(f"call {self._calls}, {tool}: {error!r}") from None
        answer = json.loads(body)
        if status != 200 or "error" in answer:
            raise RuntimeError(f"{tool}: {status} {answer}")
        return content_of(answer["result"])

    async def aclose(self) -> None:
        """Close the connection."""
        await trio.aclose_forcefully(self._stream)

    def _request(self, tool: str, content: bytes) -> bytes:
        head = {
            "Host": self._host,
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Content-Length": str(len(content)),
            "MCP-Protocol-Version": REVISION,
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        }
        lines = ["POST /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
        return "\r\n".join([*lines, "", ""]).encode() + content

    async def _answer(self) -> tuple[int, bytes]:
        """The status and the body of the next answer."""
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            await self._more()
        head = bytes(self._received[:end]).decode("latin-1")
        length = re.search(r"^content-length: *(\d+)", head, re.IGNORECASE | re.MULTILINE)
        assert length is not None, head
        begin, size = end + 4, int(length[1])
        while len(self._received) < begin + size:
            await self._more()
        self._last = "\r\nconnection: close" in head.lower()
        body = bytes(self._received[begin : begin + size])
        del self._received[: begin + size]
        return int(head.split()[1]), body

    async def _reconnect(self) -> None:
        await self.aclose()
        self._received.clear()
        self._last = False
        try:
            self._stream = await trio.open_tcp_stream("127.0.0.1", self._port)
        except OSError as error:
            raise SessionEndedError(f"connecting once more: {error!r}") from None

    async def _more(self) -> None:
        chunk = await self._stream.receive_some(CHUNK)
        if not chunk:
            raise SessionEndedError(f"call {self._calls}: end after {bytes(self._received)!r}")
        self._received += chunk


async def connected(pid: int, log: Path, token_file: Path) -> HttpSession | None:
    """A client of the server whose log says where it serves; None if it does not say so yet.

    Raises SessionEndedError if nobody listens there any more.
    """
    announced = ANNOUNCED.search(log.read_text())
    if announced is None:
        return None
    port = int(announced[1])
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
    except OSError:
        raise SessionEndedError from None
    return HttpSession(pid, stream, port, token_file.read_text().strip())
