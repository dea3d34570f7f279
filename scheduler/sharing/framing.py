"""Texts with their length in front, on a stream: four bytes, big-endian, then the text."""

from __future__ import annotations

import os
from contextlib import suppress

import trio

from scheduler.domain.errors import TooLarge

LARGEST = 256 * 1024 * 1024  # bytes of one text
READ = 64 * 1024  # bytes at a time
LENGTH = 4


class Framed:
    """One end of a connection. `post` from anywhere, `receive` in a task.

    `run`, in another task, sends what the socket did not take at once.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._sending = False
        self._to_send = bytearray()
        self._ended = False
        self._posted = trio.Event()
        self._received = bytearray()

    def post(self, text: bytes) -> None:
        """Send the text, at once if the socket takes it: a turn of the loop less."""
        if len(text) > LARGEST:
            raise TooLarge(
                f"{len(text):,} bytes are too many for one message between processes",
                received=len(text),
                allowed=f"up to {LARGEST:,} bytes",
                hint="Divide the call into several.",
            )
        if len(self._to_send) > LARGEST:
            raise trio.BrokenResourceError("the other end does not read")
        frame = len(text).to_bytes(LENGTH, "big") + text
        if not self._to_send and not self._sending:
            frame = frame[self._write(frame) :]
        if frame:
            self._to_send += frame
            self._posted.set()

    def _write(self, frame: bytes) -> int:
        """How many bytes the socket took; a broken one is noticed by whoever sends the rest."""
        try:
            return os.write(self._stream.socket.fileno(), frame)
        except OSError:
            return 0

    async def run(self) -> None:
        """Send what is posted, until cancelled, or until the end after `end`."""
        while self._to_send or not self._ended:
            await self._posted.wait()
            self._posted = trio.Event()
            await self.flush()

    async def run_until_broken(self) -> None:
        """The same; whoever receives will notice that the connection broke."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self.run()

    def end(self) -> None:
        """Nothing more will be posted."""
        self._ended = True
        self._posted.set()

    async def flush(self) -> None:
        """Send what is posted; not while `run` does."""
        outgoing, self._to_send = self._to_send, bytearray()
        self._sending = True
        try:
            await self._stream.send_all(outgoing)
        finally:
            self._sending = False

    async def receive(self) -> bytes | None:
        """The next text; None at the end. Raises trio.BrokenResourceError for what is no text."""
        while True:
            text = self._next()
            if text is not None:
                return text
            chunk = await self._stream.receive_some(READ)
            if not chunk:
                return None
            self._received += chunk

    def _next(self) -> bytes | None:
        length = int.from_bytes(self._received[:LENGTH], "big")
        if length > LARGEST:
            raise trio.BrokenResourceError("a message that is too long")
        end = LENGTH + length
        if len(self._received) < max(end, LENGTH + 1):
            return None
        text = bytes(self._received[LENGTH:end])
        del self._received[:end]
        return text
