"""One request that has come in: its answer, and what becomes of it when its client goes away."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import trio
from mcp_types import JSONRPCRequest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from scheduler.endpoint.http.refusals import Refusal, respond, values
from scheduler.endpoint.tools import WAITING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SESSION = b"mcp-session-id"
VERSION = b"mcp-protocol-version"

_log = logging.getLogger(__name__)


class Exchange:
    """One request that has come in, until its answer is sent or its client has gone.

    A client of the stateless era withdraws a call by going away. In a session of the older
    eras a call outlives its connection, since the work is done; but a claim that nobody can
    hear of is given back at once, and waiting for nobody ends. So does all waiting at the end.
    """

    def __init__(
        self,
        inside: ASGIApp,
        scope: Scope,
        body: bytes,
        request: JSONRPCRequest | None,
        receive: Receive,
        send: Send,
    ) -> None:
        self._inside = inside
        self._scope = scope
        self._body = body
        self._request = request
        self._receive = receive
        self._send = send
        self._body_read = self._answered = self._over = False
        self._gone = trio.Event()
        self._answering = trio.CancelScope()

    async def run(self) -> None:
        """Have it answered. Nothing but Trio's Cancelled comes out."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            with self._answering:
                await self._be_answered()
            if self._answering.cancelled_caught and not self._gone.is_set():
                await self._fail(503, "headrace is ending.")
            nursery.cancel_scope.cancel()

    async def end(self) -> None:
        """End it if it only waits; its client is told."""
        if self._scope["method"] == "GET":
            self._gone.set()  # for whoever writes the event stream
        elif self._is_stateless() and self._waits():
            self._answering.cancel()
        else:
            await self._cancel_in_session()

    async def _be_answered(self) -> None:
        try:
            await self._inside(self._scope, self._hear, self._say)
        except Exception:
            heard = self._over or self._gone.is_set()  # nobody misses anything
            _log.log(logging.DEBUG if heard else logging.ERROR, "a request failed", exc_info=True)
            await self._fail(500, "This call failed inside headrace.")

    async def _fail(self, status: int, message: str) -> None:
        if not self._answered:
            await respond(Refusal(status, message), self._send)

    async def _hear(self) -> Message:
        if not self._body_read:
            self._body_read = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _say(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._answered = True
        elif not message.get("more_body"):
            self._over = True  # from now on hypercorn tells of its own end as of the client's
        await self._send(message)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._over:
            return
        self._gone.set()
        if self._is_stateless():
            self._answering.cancel()
        else:
            await self._cancel_in_session()

    def _is_stateless(self) -> bool:
        versions = values(self._scope["headers"], VERSION)
        return bool(versions) and versions[0].decode("latin-1") not in HANDSHAKE_PROTOCOL_VERSIONS

    def _waits(self) -> bool:
        """Whether it is a call of one of the tools that wait, or listens for changes."""
        match self._request:
            case JSONRPCRequest(method="tools/call", params={"name": str(name)}):
                return name in WAITING
            case JSONRPCRequest(method="subscriptions/listen"):
                return True
            case _:
                return False

    async def _cancel_in_session(self) -> None:
        """Send into the session what the client would have sent to cancel a call that waits."""
        if self._request is None or not values(self._scope["headers"], SESSION):
            return
        if not self._waits():
            return
        notice = {
            "jsonrpc": "2.0",
            "method": "notifications/cancelled",
            "params": {"requestId": self._request.id, "reason": "nobody waits any more"},
        }
        body: list[Message] = [{"type": "http.request", "body": json.dumps(notice).encode()}]

        async def hear() -> Message:
            return body.pop() if body else {"type": "http.disconnect"}

        async def say(message: Message) -> None:
            pass

        unsized = [pair for pair in self._scope["headers"] if pair[0] != b"content-length"]
        try:
            await self._inside({**self._scope, "headers": unsized, "method": "POST"}, hear, say)
        except Exception:
            _log.exception("a call of a client that has gone could not be cancelled")
