"""A server on our HTTP transport in the test's own process, and raw requests to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types as types
import trio
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from scheduler.endpoint.http.addresses import Place, listen, read_place
from scheduler.endpoint.http.refusals import Rules
from scheduler.endpoint.http.serving import serve_http
from scheduler.endpoint.http.tokens import TokenFile
from scheduler.endpoint.server import repeat_no_method

HEAD_2025 = {"MCP-Protocol-Version": "2025-11-25"}
HEAD_2026 = {"MCP-Protocol-Version": "2026-07-28"}
PAGE = "https://page.example"  # the one origin that is let in
PATIENCE = 10.0  # seconds until a test gives up

Context = ServerRequestContext[dict[str, Any], Any]


class Waiting:
    """A tool that waits for ever, as `task_claim` may, and what became of its calls."""

    def __init__(self) -> None:
        self.begun = trio.Event()
        self.cancelled = trio.Event()
        self.allowed = trio.Event()

    async def call(self) -> None:
        self.begun.set()
        try:
            await self.allowed.wait()
        except trio.Cancelled:
            self.cancelled.set()
            raise


def server_of(waiting: Waiting, text: str = "done") -> Server[dict[str, Any]]:
    """Every tool waits but `echo`, which answers `text`."""

    async def call(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        if params.name != "echo":
            await waiting.call()
        return types.CallToolResult(content=[types.TextContent(text=text)])

    server: Server[dict[str, Any]] = Server("test", on_call_tool=call)
    server.middleware.append(repeat_no_method)  # as the endpoint has it
    return server


class Answer:
    """The first answer on a connection."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)
        }

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Served:
    """A server that runs, and how to reach it."""

    def __init__(self, place: Place, tokens: TokenFile, stop: trio.Event) -> None:
        self.place = place
        self.tokens = tokens
        self.stop = stop
        self.ended = trio.Event()
        self.connections: list[trio.SocketStream] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.place.port}"

    @property
    def token(self) -> str:
        return self.tokens.path.read_text().strip()

    async def connect(self) -> trio.SocketStream:
        """A new connection, closed at the end."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.place.port)
        self.connections.append(stream)
        return stream

    def request(
        self,
        body: object = None,
        *,
        method: str = "POST",
        path: str = "/mcp",
        version: str = "1.1",
        without: tuple[str, ...] = (),
        **headers: Any,
    ) -> bytes:
        """A request that is let in, but for what is said otherwise."""
        content = body if isinstance(body, bytes) else b"" if body is None else _json(body)
        head = {
            "Host": self.host,
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Content-Length": str(len(content)),
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {path} HTTP/{version}"]
        lines += [f"{name}: {value}" for name, value in head.items() if name not in without]
        return "\r\n".join([*lines, "", ""]).encode() + content

    async def ask(self, request: bytes, stream: trio.SocketStream | None = None) -> Answer:
        """Send one request; its answer."""
        with trio.fail_after(PATIENCE):
            stream = stream or await self.connect()
            await stream.send_all(request)
            return await hear(stream)

    async def open_session(self) -> dict[str, Any]:
        """Make a session of the older era; the headers that name it."""
        answer = await self.ask(self.request(INITIALIZE))
        assert answer.status == 200, answer.body
        return HEAD_2025 | {"Mcp-Session-Id": answer.headers["mcp-session-id"]}


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def call(tool: str, number: int = 1) -> dict[str, Any]:
    """A call of a tool in a session."""
    params = {"name": tool, "arguments": {}}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def stateless(tool: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A call of a tool in the stateless era: body and headers."""
    meta = "io.modelcontextprotocol/"
    body = call(tool)
    body["params"]["_meta"] = {
        meta + "protocolVersion": "2026-07-28",
        meta + "clientInfo": {"name": "test", "version": "1"},
        meta + "clientCapabilities": {},
    }
    return body, HEAD_2026 | {"Mcp-Method": "tools/call", "Mcp-Name": tool}


@asynccontextmanager
async def serving(
    folder: Path,
    server: Server[Any] | None = None,
    *,
    run: Callable[..., Any] = serve_http,
    **options: Any,
) -> AsyncIterator[Served]:
    """Serve on a port of its own until the block ends."""
    tokens = TokenFile(folder / "token")
    tokens.ensure()
    place, listeners = await listen(read_place("127.0.0.1:0", allow_remote=False, extra_hosts=()))
    served = Served(place, tokens, trio.Event())
    rules = Rules(tokens, place.hosts(), [PAGE])

    async def run_to_the_end() -> None:
        await run(server or server_of(Waiting()), listeners, rules, served.stop, **options)
        served.ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_to_the_end)
        try:
            yield served
            served.stop.set()
            with trio.fail_after(PATIENCE):
                await served.ended.wait()
        finally:
            nursery.cancel_scope.cancel()
            for stream in served.connections:
                stream.socket.close()


async def hear(stream: trio.SocketStream) -> Answer:
    """The next answer on a connection: to its end, or to the end of its head if it is a stream."""
    raw = b""
    while True:
        data = await stream.receive_some(65_536)
        raw += data
        head, _, body = raw.partition(b"\r\n\r\n")
        if b" 100 " in head[:16]:
            raw = body
            continue
        if not data or (b"\r\n\r\n" in raw and len(body) >= _length(head)):
            return Answer(raw)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def _json(body: object) -> bytes:
    return json.dumps(body).encode()
