"""Cuts a stream of bytes into lines of bounded length."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from scheduler.endpoint.jsonrpc import TAIL

LONGEST_LINE = 16 * 1024 * 1024  # bytes
HEAD = 1_024  # bytes kept of the beginning of a line that is longer


class TooLong(msgspec.Struct, frozen=True):
    """A line over the limit, of which only the ends were kept."""

    head: bytes
    tail: bytes


class Lines:
    """Takes chunks, gives lines without their ends; keeps no more than `longest` bytes.

    >>> list(Lines(longest=3).feed(b"ab\\ncdefg\\nhi"))
    [b'ab', TooLong(head=b'cdefg', tail=b'cdefg')]
    """

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._kept = bytearray()  # of the line that has not ended
        self._skipping = False  # that line is over the limit; _kept is its head, _tail its end
        self._tail = bytearray()

    def feed(self, chunk: bytes | bytearray) -> Iterator[bytes | TooLong]:
        """The lines that end in this chunk."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._keep(part)
            yield self._taken()
        self._keep(rest)

    def last(self) -> bytes | TooLong | None:
        """What stands behind the last line end, at the end of the stream."""
        return self._taken() if self._kept else None

    def _taken(self) -> bytes | TooLong:
        kept = bytes(self._kept)
        line = TooLong(kept, bytes(self._tail)) if self._skipping else kept
        self._kept, self._tail, self._skipping = bytearray(), bytearray(), False
        return line

    def _keep(self, part: bytes | bytearray) -> None:
        if self._skipping:
            self._tail = (self._tail + part[-TAIL:])[-TAIL:]
            return
        self._kept += part
        if len(self._kept) > self._longest:
            self._skipping = True
            self._tail = self._kept[-TAIL:]
            self._kept = self._kept[:HEAD]
