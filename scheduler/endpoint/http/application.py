"""The way in over HTTP: an ASGI application in front of the SDK's session manager.

It turns away what may not come in, and reads the body within bounds of size and time. What then
happens is an `Exchange`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mcp_types as types
import trio

from scheduler.endpoint import jsonrpc
from scheduler.endpoint.http.exchange import SESSION, Exchange
from scheduler.endpoint.http.refusals import METHODS, Headers, Refusal, Rules, respond, values

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

MAX_BODY = 4 * 1024 * 1024  # bytes
BODY_TIME = 30.0  # seconds that a body may take
DRAIN_TIME = 2.0  # seconds for the rest of a body that is not wanted


class Application:
    """`inside` is called with what may come in; a body it finds is complete."""

    def __init__(self, inside: ASGIApp, rules: Rules) -> None:
        self._inside = inside
        self._rules = rules
        self._under_way: set[Exchange] = set()
        self._for_quiet = trio.lowlevel.ParkingLot()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: Headers = scope["headers"]
        if origin := self._rules.allowed_origin(headers):
            send = _for_browsers(send, origin)
            if _is_preflight(scope) and self._rules.admits_preflight(headers):
                await _refuse(Refusal(204, "", _preflight(headers)), receive, send)
                return
        refusal = self._rules.refusal(scope) or await self._take(scope, receive, send)
        if refusal is not None:
            await _refuse(refusal, receive, send)

    async def close(self) -> None:
        """End what only waits, then wait until the other calls are answered."""
        async with trio.open_nursery() as nursery:
            for exchange in self._under_way:
                nursery.start_soon(exchange.end)
        if self._under_way:
            await self._for_quiet.park()

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> Refusal | None:
        """Read the body and answer it; a refusal if it does not come as it should."""
        body = await _body_of(receive)
        if not isinstance(body, bytes):
            return body
        request = _request_in(body) if scope["method"] == "POST" else None
        if isinstance(request, Refusal):
            await respond(request, send)
        else:
            await self._exchange(Exchange(self._inside, scope, body, request, receive, send))
        return None

    async def _exchange(self, exchange: Exchange) -> None:
        self._under_way.add(exchange)
        try:
            await exchange.run()
        finally:
            self._under_way.discard(exchange)
            if not self._under_way:
                self._for_quiet.unpark_all()


async def _body_of(receive: Receive) -> bytes | Refusal | None:
    """The whole body; None if its client has gone before its end."""
    body = bytearray()
    with trio.move_on_after(BODY_TIME):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message["body"]
            if len(body) > MAX_BODY:
                return Refusal(413, f"The body is over {MAX_BODY:,} bytes.", _close())
            if not message["more_body"]:
                return bytes(body)
    return Refusal(408, "The body took too long.", _close())


def _request_in(body: bytes) -> types.JSONRPCRequest | Refusal | None:
    """What is to be answered in a body; None in a notification or a response.

    The SDK would read it too; but what it cannot read it describes in its own words, at length,
    and with a part of it.
    """
    try:
        message = jsonrpc.parse(body)
    except jsonrpc.Faulty as fault:
        error = fault.answer.error
        return Refusal(400, error.message, code=error.code, request_id=fault.answer.id)
    if message is None:
        return Refusal(400, "This response answers nothing.")
    return message if isinstance(message, types.JSONRPCRequest) else None


async def _refuse(refusal: Refusal, receive: Receive, send: Send) -> None:
    """Answer without looking at the body, but read it: who is still sending hears nothing."""

    async def drain() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    with trio.move_on_after(DRAIN_TIME):
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain)  # or the server above would wait for room, and never close
        await respond(refusal, send)
        nursery.cancel_scope.cancel()


def _close() -> Headers:
    return [(b"connection", b"close")]


def _is_preflight(scope: Scope) -> bool:
    asked = values(scope["headers"], b"access-control-request-method")
    return scope["method"] == "OPTIONS" and bool(asked)


def _preflight(headers: Headers) -> Headers:
    wanted = values(headers, b"access-control-request-headers")
    return [
        (b"access-control-allow-methods", ", ".join(METHODS).encode()),
        *((b"access-control-allow-headers", names) for names in wanted[:1]),
        (b"access-control-max-age", b"600"),
    ]


def _for_browsers(send: Send, origin: bytes) -> Send:
    """Let a page of this origin read the answer."""

    async def say(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                *message.get("headers", []),
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", SESSION),
                (b"vary", b"origin"),
            ]
        await send(message)

    return say
