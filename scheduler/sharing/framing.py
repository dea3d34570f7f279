"""Texts with their length in front, on a stream: four bytes, big-endian, then the text."""

from __future__ import annotations

from contextlib import suppress

import trio

from scheduler.domain.errors import TooLarge

LARGEST = 256 * 1024 * 1024  # bytes of one text
READ = 64 * 1024  # bytes at a time
LENGTH = 4


class Framed:
    """One end of a connection. `post` from anywhere, `run` and `receive` in a task each."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._to_send = bytearray()
        self._ended = False
        self._posted = trio.Event()
        self._received = bytearray()

    def post(self, text: bytes) -> None:
        """Let the text be sent; several that are posted together leave together."""
        if len(text) > LARGEST:
            raise TooLarge(
                f"{len(text):,} bytes are too many for one message between processes",
                received=len(text),
                allowed=f"up to {LARGEST:,} bytes",
                hint="Divide the call into several.",
            )
        if len(self._to_send) > LARGEST:
            raise trio.BrokenResourceError("the other end does not read")
        self._to_send += len(text).to_bytes(LENGTH, "big")
        self._to_send += text
        self._posted.set()

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
        await self._stream.send_all(outgoing)

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
