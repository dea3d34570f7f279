"""The client's end of stdout: what is written to it, and what it has not been answered yet."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from types import TracebackType

import anyio
import mcp_types as types
import trio
from mcp.shared.message import SessionMessage

from scheduler.endpoint import jsonrpc

PART = 64 * 1024  # bytes written at a time
UNSENT = 1024 * 1024  # bytes; with more of them nothing is read
CALLS = 1_000  # that are being answered; with more of them nothing is read
LAST_ANSWERS = 0.25  # seconds after the end of stdin, for calls that do not wait for anything
STALLED = 0.5  # seconds in which a client that reads takes something


class Output:
    """Messages to the client.

    A message is written at once where the pipe takes it. The rest is written by `write_unsent`,
    a task of its own: a handler that is cancelled must not leave half a line behind.
    """

    def __init__(self, stream: trio.lowlevel.FdStream, session: trio.CancelScope) -> None:
        self._stream = stream
        self._session = session  # ends when the client cannot be reached
        self._unsent = bytearray()
        self._more = trio.Event()  # there is something unsent
        self._moved = trio.Event()  # something was answered, or written
        self._broken = False
        self._leaving = False
        self._soon: set[types.RequestId] = set()  # requests that are being answered
        self._waiting: set[types.RequestId] = set()  # requests that wait for something

    async def __aenter__(self) -> Output:
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

    async def send(self, item: SessionMessage, /) -> None:
        """Write a message; waits while too much is unsent."""
        while len(self._unsent) > UNSENT and not self._leaving:
            await self._moved.wait()
        self.write(item.message)

    def write(self, message: types.JSONRPCMessage) -> None:
        """Write a message, or keep what the pipe does not take."""
        if isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
            self.settle(message.id)
        if self._broken:
            raise anyio.BrokenResourceError
        line = jsonrpc.encode(message)
        sent = 0 if self._unsent else self._write_now(line)
        if sent < len(line):
            self._unsent += line[sent:]
            self._more.set()

    def expect(self, request_id: types.RequestId, *, waits: bool) -> bool:
        """A request has come; false when too many wait already."""
        if waits and len(self._waiting) >= CALLS:
            return False
        (self._waiting if waits else self._soon).add(request_id)
        return True

    def settle(self, request_id: types.RequestId | None) -> None:
        """A request has been answered, or was cancelled by the client."""
        if request_id is not None:
            self._soon.discard(request_id)
            self._waiting.discard(request_id)
            self._move()

    def _move(self) -> None:
        self._moved.set()
        self._moved = trio.Event()

    def _write_now(self, line: bytes) -> int:
        try:
            return os.write(self._stream.fileno(), line)
        except BlockingIOError:
            return 0
        except OSError:
            self._break()
            raise anyio.BrokenResourceError from None

    def _break(self) -> None:
        self._broken = True
        self._session.cancel()

    async def write_unsent(self) -> None:
        """Write what the pipe did not take, as soon as it does."""
        while True:
            await self._more.wait()
            self._more = trio.Event()
            while self._unsent:
                part = bytes(self._unsent[:PART])
                try:
                    await self._stream.send_all(part)
                except trio.BrokenResourceError:
                    self._break()
                    return
                del self._unsent[: len(part)]
                self._move()

    async def room(self, left: Callable[[], bool]) -> bool:
        """Wait until another message may be read.

        False if nothing moves and the client has `left`: it will never read what is unsent.
        """
        while len(self._unsent) > UNSENT or len(self._soon) > CALLS:
            with trio.move_on_after(STALLED) as stalled:
                await self._moved.wait()
            if stalled.cancelled_caught and left():
                return False
        return True

    async def leave(self) -> None:
        """stdin has ended: give what is being answered a moment, if anyone reads it."""
        with trio.move_on_after(LAST_ANSWERS):
            while self._soon and self._is_read():
                await self._moved.wait()
        self._leaving = True
        self._move()

    async def finish(self) -> None:
        """Write the rest, if anyone reads it."""
        with trio.move_on_after(LAST_ANSWERS):
            while self._unsent and self._is_read():
                await self._moved.wait()

    def _is_read(self) -> bool:
        """Whether the other end of stdout is open."""
        poll = select.poll()
        poll.register(self._stream.fileno(), 0)
        return not self._broken and not poll.poll(0)
