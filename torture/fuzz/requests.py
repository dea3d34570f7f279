"""The endpoint over HTTP: requests with accidents in head, body or framing, on raw sockets.

A round is a scheduler in memory on virtual time, served on a port of its own. A request is
answered in HTTP, or its connection is closed; without the token nothing is let in; a client that
is well behaved is served after each of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import trio
from trio.testing import MockClock

from scheduler import testing
from scheduler.endpoint.http.addresses import listen, read_place
from scheduler.endpoint.http.refusals import Rules
from scheduler.endpoint.http.serving import serve_http
from scheduler.endpoint.http.tokens import TokenFile
from scheduler.endpoint.server import Endpoint
from torture.fuzz.conversations import Message, Talk, line_of, with_accident
from torture.fuzz.judging import Heard, nothing_logged
from torture.fuzz.values import CANARY, HOSTILE_TEXTS

REQUESTS = 40  # of a round
PATIENCE = 200.0  # virtual seconds for one answer
IDLE = 0.002  # seconds in which nothing happens until the clock jumps
SESSION = re.compile(rb"mcp-session-id: (\w+)", re.IGNORECASE)
STATUSES = frozenset(
    {200, 202, 204, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 421, 431, 501, 503, 505}
)
Headers = list[tuple[bytes, bytes]]


class Round(msgspec.Struct):
    """What became of one round."""

    requests: int = 0
    refused: int = 0
    answered: int = 0
    closed: int = 0
    wrong: list[str] = []


class Server:
    """Where it is served, and how a request looks that is let in."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self.token = token.encode()
        self.session = b""

    def headers(self, message: Message, modern: bool) -> Headers:
        """The head of a request that is let in, but for its length."""
        headers = [
            (b"Host", b"127.0.0.1:%d" % self.port),
            (b"Authorization", b"Bearer " + self.token),
            (b"Content-Type", b"application/json"),
            (b"Accept", b"application/json, text/event-stream"),
        ]
        if not modern:
            old = [(b"MCP-Protocol-Version", b"2025-11-25"), (b"Mcp-Session-Id", self.session)]
            return headers + (old if self.session else [])
        method = str(message.get("method", "")).encode("ascii", "replace")
        name = message.get("params", {}).get("name", "")
        return [
            *headers,
            (b"MCP-Protocol-Version", b"2026-07-28"),
            (b"Mcp-Method", method),
            *([(b"Mcp-Name", str(name).encode("ascii", "replace"))] if name else []),
        ]

    async def ask(self, request: bytes, *, hang_up: bool = False) -> bytes:
        """Send bytes on a connection of their own; all that comes back until it is closed."""
        told = b""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        with trio.move_on_after(PATIENCE):
            try:
                await stream.send_all(request)
                if hang_up:
                    await stream.send_eof()
                while data := await stream.receive_some():
                    told += data
                    if _is_whole(told):
                        break
            except trio.BrokenResourceError:
                pass
        await trio.aclose_forcefully(stream)
        return told


def _is_whole(told: bytes) -> bool:
    head, end, body = told.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    if b" 100 " in head[:16] or not end:
        return False
    return b"text/event-stream" in head or (length is not None and len(body) >= int(length[1]))


def wire_of(headers: Headers, body: bytes, first: bytes = b"POST /mcp HTTP/1.1") -> bytes:
    """A request as bytes."""
    lines = [first, *(name + b": " + value for name, value in headers)]
    return b"\r\n".join([*lines, b"", b""]) + body


def sized(headers: Headers, body: bytes) -> Headers:
    return [*headers, (b"Content-Length", b"%d" % len(body)), (b"Connection", b"close")]


def play(seed: int, number: int, folder: Path, requests: int = REQUESTS) -> Round:
    """Play one round; the same requests for the same seed and number."""
    played = Round()
    random = Random(f"{seed}:http:{number}")
    clock = MockClock(autojump_threshold=IDLE)
    with nothing_logged() as stories:
        try:
            testing.run(_play, random, requests, played, folder, seed=number, clock=clock)
        except Exception as error:
            played.wrong.append(f"{type(error).__name__}: {error!r}"[:400])
    played.wrong += stories
    return played


async def _play(random: Random, requests: int, played: Round, folder: Path) -> None:
    tokens = TokenFile(folder / "token")
    tokens.ensure()
    place, listeners = await listen(read_place("127.0.0.1:0", allow_remote=False, extra_hosts=()))
    server = Server(place.port, tokens.path.read_text().strip())
    rules, stop = Rules(tokens, place.hosts(), ["https://page.example"]), trio.Event()
    async with testing.open_scheduler(seed=random.randrange(1 << 30)) as scheduler:
        endpoint = Endpoint(scheduler, "all")
        async with trio.open_nursery() as nursery:
            await nursery.start(endpoint.watch)
            nursery.start_soon(serve_http, endpoint.server, listeners, rules, stop)
            await _talk(random, requests, server, played)
            stop.set()
            await trio.sleep(10)
            nursery.cancel_scope.cancel()
        total = (await scheduler.queue_status()).total_tasks
        if total < requests // 10:
            played.wrong.append(f"only {total} tasks of well-behaved clients are there")


async def _talk(random: Random, requests: int, server: Server, played: Round) -> None:
    old, new = Talk(random, modern=False), Talk(random, modern=True)
    opening = line_of(old.opening()[0])
    told = await server.ask(wire_of(sized(server.headers({}, False), opening), opening))
    server.session = (SESSION.search(told) or [b"", b""])[1]
    sober = Talk(Random(0), modern=True)
    for number in range(requests):
        played.requests += 1
        modern = random.random() < 0.5
        message = (new if modern else old).any()
        request = _harmed(random, message, server, modern)
        told = await server.ask(request, hang_up=random.random() < 0.2)
        played.wrong += _faults(request, told, server, played)
        if number % 5 == 0:
            await _be_served(sober, server, played)


async def _be_served(talk: Talk, server: Server, played: Round) -> None:
    good = talk.call("task_enqueue", description="sober")
    body = line_of(good)
    told = await server.ask(wire_of(sized(server.headers(good, True), body), body))
    if not told.startswith(b"HTTP/1.1 200 ") or b"task_id" not in told:
        played.wrong.append(f"a good request was not served: {told[:300]!r}")


# ------------------------------------------------------------------- accidents


def _harmed(random: Random, message: Message, server: Server, modern: bool) -> bytes:
    headers = server.headers(message, modern)
    body = with_accident(random, message) if random.random() < 0.3 else line_of(message)
    headers = sized(headers, body)
    match random.randrange(10):
        case 0 | 1 | 2:
            return wire_of(_other_head(random, headers), body)
        case 3:
            return _flipped_head(random, wire_of(headers, body))
        case 4:
            return wire_of(headers, body, random.choice(FIRST_LINES))
        case 5 | 6:
            return _framed(random, headers, body)
        case 7:
            whole = wire_of(headers, body)
            return whole[: random.randrange(len(whole))]
        case _:
            return wire_of(headers, body)


FIRST_LINES: Sequence[bytes] = (
    *(b"GET /mcp HTTP/1.1", b"DELETE /mcp HTTP/1.1", b"OPTIONS * HTTP/1.1", b"TRACE /mcp HTTP/1.1"),
    *(b"POST /mcp", b"POST /mcp HTTP/0.9", b"POST /mcp HTTP/2.0", b"POST  /mcp  HTTP/1.1"),
    *(b"POST //mcp HTTP/1.1", b"POST /mcp/../mcp HTTP/1.1", b"POST /%6dcp HTTP/1.1"),
    *(b"POST http://evil.example/mcp HTTP/1.1", b"CONNECT evil.example:443 HTTP/1.1"),
    *(b"POST /mcp?" + b"x" * 20_000 + b" HTTP/1.1", b"post /mcp HTTP/1.1", b"\x16\x03\x01\x00"),
    b"POST /" + CANARY.encode() + b"%0d%0aSet-Cookie:%20a HTTP/1.1",
)
OTHER_HEADERS: Headers = [
    (b"Host", b"evil.example"),
    (b"Origin", b"https://evil.example"),
    (b"Origin", b"https://page.example"),
    (b"Authorization", b"Bearer " + b"x" * 43),
    (b"Authorization", b"Basic " + CANARY.encode()),
    (b"Content-Type", b"text/plain"),
    (b"Content-Encoding", b"gzip"),
    (b"Accept", CANARY.encode()),
    (b"Expect", b"100-continue"),
    (b"Upgrade", b"h2c"),
    (b"Mcp-Session-Id", CANARY.encode()),
    (b"MCP-Protocol-Version", b"9999-99-99"),
    (b"Mcp-Method", CANARY.encode()),
    (b"Last-Event-ID", CANARY.encode()),
    (b"X", HOSTILE_TEXTS[0].encode()),
    (b"X", b"a\r\n folded"),
    (b"X\x00", b"a"),
    (b"X Y", b"a"),
    (b"", b"a"),
    (b"Access-Control-Request-Method", b"POST"),
    (b"X", b"x" * 20_000),
    (b"Cookie", b"x=" + CANARY.encode()),
]


def _other_head(random: Random, headers: Headers) -> Headers:
    """A header more, less, twice, or with another value."""
    headers = list(headers)
    place = random.randrange(len(headers))
    match random.randrange(4):
        case 0:
            del headers[place]
        case 1:
            headers.insert(place, random.choice(headers))
        case 2:
            headers.insert(place, random.choice(OTHER_HEADERS))
        case _:
            name, value = random.choice(OTHER_HEADERS)
            headers = [pair for pair in headers if pair[0] != name] + [(name, value)]
    return headers


def _flipped_head(random: Random, request: bytes) -> bytes:
    changed = bytearray(request)
    end = request.index(b"\r\n\r\n") + 4
    for _ in range(random.choice((1, 1, 3))):
        changed[random.randrange(end)] ^= 1 << random.randrange(8)
    return bytes(changed)


def _framed(random: Random, headers: Headers, body: bytes) -> bytes:
    """A body whose length is told wrongly, twice, or in chunks that are none."""
    unsized = [pair for pair in headers if pair[0] != b"Content-Length"]
    chunked = [*unsized, (b"Transfer-Encoding", b"chunked")]
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    smuggled = chunks + wire_of(headers, body)
    choices: Sequence[tuple[Headers, bytes]] = (
        (chunked, chunks),
        (chunked, chunks[: len(chunks) // 2]),
        (chunked, b"zz\r\n" + body),
        (chunked, b"FFFFFFFFFFFFFFFF\r\n" + body),
        (chunked, b"-1\r\n" + body),
        (chunked, b"1;" + b"x" * 70_000 + b"\r\na\r\n0\r\n\r\n"),
        ([*chunked, (b"Content-Length", b"4")], smuggled),
        ([*unsized, (b"Transfer-Encoding", b"gzip, chunked")], chunks),
        ([*unsized, (b"Transfer-Encoding", b"\x0bchunked")], chunks),
        ([*unsized, (b"Content-Length", b"0")], body),
        ([*unsized, (b"Content-Length", b"-1")], body),
        ([*unsized, (b"Content-Length", b"1e3")], body),
        ([*unsized, (b"Content-Length", b"9" * 30)], body),
        ([*unsized, (b"Content-Length", b"%d" % (len(body) + 9))], body),
        ([*headers, (b"Content-Length", b"1")], body),
        ([*headers, (b"Content-Length", b"%d" % len(body))], body),
        (headers, body + wire_of(headers, body) * 3),
    )
    head, content = random.choice(choices)
    request = wire_of(head, content)
    return request.replace(b"\r\n", b"\n") if random.random() < 0.1 else request


# ------------------------------------------------------------------- what may come back


def _faults(request: bytes, told: bytes, server: Server, played: Round) -> list[str]:
    if told.startswith(b"HTTP/1.1 100 "):
        _, _, told = told.partition(b"\r\n\r\n")
    if not told:
        played.closed += 1
        return []
    head, _, body = told.partition(b"\r\n\r\n")
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", told)
    if found is None:
        return [f"no answer of HTTP: {told[:200]!r}"]
    status = int(found[1])
    if status < 300:
        played.answered += 1
    else:
        played.refused += 1
    wrong = [f"status {status}: {told[:300]!r}"] if status not in STATUSES else []
    if CANARY.encode() in head or b"set-cookie" in head.lower():
        wrong.append(f"a head repeats a text: {head[:300]!r}")
    admitted = server.token in request and b"127.0.0.1:%d" % server.port in request
    if status < 300 and status != 204 and not admitted:
        wrong.append(f"let in without the token or the Host: {request[:300]!r}")
    return wrong + _faults_of_body(body, head, status)


def _faults_of_body(body: bytes, head: bytes, status: int) -> list[str]:
    if b"application/json" not in head.lower():
        plain = b"text/event-stream" in head.lower() or (CANARY.encode() not in body)
        return [] if plain and b"Traceback" not in body else [f"{status}: {body[:300]!r}"]
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    if length is None or not 0 < int(length[1]) <= len(body):
        return []  # cut off, or nothing to say
    heard = Heard()
    message: Any = heard.take(body[: int(length[1])])
    if status >= 400 and isinstance(message, dict) and "error" not in message:
        heard.wrong.append(f"{status} without an error: {body[:200]!r}")
    return heard.wrong
