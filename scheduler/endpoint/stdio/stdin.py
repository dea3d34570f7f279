"""The client's messages on stdin, one a line. What is no message is answered here."""

from __future__ import annotations

import select
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import NoReturn

import anyio
import mcp_types as types
import trio
from mcp.shared.message import SessionMessage

from scheduler.endpoint import jsonrpc
from scheduler.endpoint.stdio.lines import LONGEST_LINE, Lines, TooLong
from scheduler.endpoint.stdio.stdout import CALLS, Output
from scheduler.endpoint.tools import WAITING

CHUNK = 64 * 1024
HUNG_UP = getattr(select, "POLLRDHUP", 0)  # a socket's, on Linux
TOO_MANY = -32000  # of the range that JSON-RPC leaves to servers


class Input:
    """Messages from the client, in the order in which they came."""

    def __init__(self, stream: trio.lowlevel.FdStream, output: Output) -> None:
        self._stream = stream
        self._output = output
        self._lines = Lines()
        self._messages: deque[SessionMessage] = deque()

    async def __aenter__(self) -> Input:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    async def aclose(self) -> None:
        """For the SDK; the stream belongs to whoever opened it."""

    def __aiter__(self) -> Input:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        while not self._messages:
            if not await self._output.room(self._has_ended):
                await self._leave()
            chunk = await self._read()
            for line in self._lines.feed(chunk):
                self._take(line)
            if not chunk:
                rest = self._lines.last()
                if rest is None:
                    await self._leave()
                self._take(rest)
        return self._messages.popleft()

    async def receive(self) -> SessionMessage | Exception:
        """The next message. Raises EndOfStream after the last one."""
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise anyio.EndOfStream from None

    async def _leave(self) -> NoReturn:
        await self._output.leave()
        raise StopAsyncIteration

    def _has_ended(self) -> bool:
        """Whether the client has closed its end, be there something left to read or not."""
        poll = select.poll()
        poll.register(self._stream.fileno(), HUNG_UP)
        return any(event & (HUNG_UP | select.POLLHUP) for _, event in poll.poll(0))

    async def _read(self) -> bytes | bytearray:
        try:
            return await self._stream.receive_some(CHUNK)
        except trio.BrokenResourceError:
            return b""

    def _take(self, line: bytes | TooLong) -> None:
        try:
            message = _message(line)
            if isinstance(message, types.JSONRPCRequest):
                self._expect(message)
        except jsonrpc.Faulty as fault:
            with suppress(anyio.BrokenResourceError):  # the session is being cancelled
                self._output.write(fault.answer)
            return
        if isinstance(message, types.JSONRPCNotification):
            self._output.settle(_cancelled_by(message))
        if message is not None:
            self._messages.append(SessionMessage(message))

    def _expect(self, request: types.JSONRPCRequest) -> None:
        if not self._output.expect(request.id, waits=_waits(request)):
            raise jsonrpc.Faulty(
                TOO_MANY, f"{CALLS:,} calls of this client wait already", request.id
            )


def _message(line: bytes | TooLong) -> types.JSONRPCMessage | None:
    """What is in a line; None for nothing that matters. Raises Faulty."""
    if isinstance(line, TooLong):
        text = f"a message is longer than {LONGEST_LINE:,} bytes"
        raise jsonrpc.Faulty(types.INVALID_REQUEST, text, jsonrpc.id_in(line.head, line.tail))
    return jsonrpc.parse(line) if line.strip() else None


def _waits(request: types.JSONRPCRequest) -> bool:
    """Whether a request asks to wait: it is cancelled at once when its client leaves."""
    match request.params:
        case {"name": str(name), "arguments": dict(arguments)} if name in WAITING:
            return WAITING[name].asks_to_wait(arguments)
        case {"name": str(name)} if name in WAITING:
            return WAITING[name].asks_to_wait({})
        case _:
            return request.method == "subscriptions/listen"


def _cancelled_by(notification: types.JSONRPCNotification) -> types.RequestId | None:
    match notification.params:
        case {"requestId": int() | str() as request_id}:
            return request_id if notification.method == "notifications/cancelled" else None
        case _:
            return None
