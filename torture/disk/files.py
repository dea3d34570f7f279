"""A file of the simulated disk: what programs see, what the platter holds, and what lies between.

Programs see `seen`, the page cache. `durable` is what a power loss leaves for sure. The writes
since the last sync are `pending`. Nothing here knows of SQLite.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

PAGE = 4_096  # bytes that a page cache writes back together
SECTOR = 512  # bytes that a disk writes whole or not at all


class Write(NamedTuple):
    """A change of a file. `data` is None where the file was cut to `offset` bytes."""

    order: int  # over all files of the disk
    offset: int
    data: bytes | None


class File:
    """See the module."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.durable = bytearray()
        self.pending: list[Write] = []
        self._forgotten: set[int] = set()  # pages whose write-back failed: clean, and never written

    def read(self, size: int, offset: int) -> bytes:
        """As many as `size` bytes, fewer at the end of the file."""
        return bytes(self.seen[offset : offset + size])

    def write(self, order: int, offset: int, data: bytes) -> None:
        """Write into the page cache."""
        put(self.seen, offset, data)
        if self._forgotten:
            offset, data = self._with_forgotten(offset, data)
        self.pending.append(Write(order, offset, data))

    def truncate(self, order: int, size: int) -> None:
        """Cut the file; a larger size changes nothing."""
        if size < len(self.seen):
            del self.seen[size:]
            self.pending.append(Write(order, size, None))

    def sync(self) -> None:
        """Everything that is pending becomes durable."""
        for write in self.pending:
            apply(self.durable, write)
        self.pending.clear()

    def fail_sync(self, rng: Random) -> None:
        """A sync failed. Each page that was dirty stays so, or is taken for clean from now on.

        That is what Linux does: programs still see the page, the next sync succeeds, and the
        platter does not have it until somebody writes to that page again.
        """
        dirty = sorted({page for write in self.pending for page in _pages(write)})
        lost = {page for page in dirty if rng.random() < 0.5}
        self.pending = [part for write in self.pending for part in _without(write, lost)]
        self._forgotten |= lost

    def fresh(self, content: bytearray) -> None:
        """The machine has started again and finds `content` on the platter."""
        self.seen = bytearray(content)
        self.durable = bytearray(content)
        self.pending.clear()
        self._forgotten.clear()

    def copy(self) -> File:
        """An independent file with the same content, all of it durable."""
        other = File()
        other.fresh(self.seen)
        return other

    def _with_forgotten(self, offset: int, data: bytes) -> tuple[int, bytes]:
        """A page that is written to is dirty as a whole, with what was forgotten of it."""
        pages = range(offset // PAGE, (offset + len(data) - 1) // PAGE + 1)
        again = self._forgotten.intersection(pages)
        if not again:
            return offset, data
        self._forgotten -= again
        start = min(offset, min(again) * PAGE)
        end = max(offset + len(data), (max(again) + 1) * PAGE)
        return start, bytes(self.seen[start:end])


def put(content: bytearray, offset: int, data: bytes) -> None:
    """Write `data` at `offset`, with zeros in a gap before it."""
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def apply(content: bytearray, write: Write) -> None:
    """Do one change."""
    if write.data is None:
        del content[write.offset :]
    else:
        put(content, write.offset, write.data)


def sectors(write: Write) -> list[Write]:
    """A write in pieces, none of which crosses the border of a sector."""
    return _pieces(write, SECTOR)


def _pieces(write: Write, size: int) -> list[Write]:
    if write.data is None:
        return [write]
    pieces = []
    start, end = write.offset, write.offset + len(write.data)
    while start < end:
        border = min(end, (start // size + 1) * size)
        data = write.data[start - write.offset : border - write.offset]
        pieces.append(Write(write.order, start, data))
        start = border
    return pieces


def _pages(write: Write) -> range:
    if not write.data:
        return range(0)
    return range(write.offset // PAGE, (write.offset + len(write.data) - 1) // PAGE + 1)


def _without(write: Write, pages: set[int]) -> Iterator[Write]:
    if write.data is None or pages.isdisjoint(_pages(write)):
        yield write
        return
    for piece in _pieces(write, PAGE):
        if piece.offset // PAGE not in pages:
            yield piece
