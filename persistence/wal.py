"""How much of the write-ahead log waits for a checkpoint.

The log is overwritten from its start after a checkpoint, which makes commits a third cheaper
than growing it anew, but leaves its size saying nothing. SQLite's interface in Python does not
tell the number of frames either. The log itself does: its header and each of its frames carry
the salt of the current round (https://sqlite.org/fileformat2.html#the_write_ahead_log).
Unlike the database, the log is never locked, so reading it beside SQLite harms nothing.
"""

from __future__ import annotations

import os

HEADER, FRAME_HEADER = 32, 24  # bytes
SALT_IN_HEADER, SALT_IN_FRAME, SALT = 16, 8, 8


class WalGauge:
    """Counts the frames of one log, looking only at those since the last look."""

    def __init__(self, database: str) -> None:
        self._path = database + "-wal"
        self._descriptor: int | None = None
        self._salt = b""
        self._frames = 0
        self._copied = 0

    def pages(self) -> int:
        """Pages that were written since they were last copied into the database."""
        descriptor = self._opened()
        if descriptor is None:
            return 0
        header = self._read(descriptor, HEADER, 0)
        salt = header[SALT_IN_HEADER : SALT_IN_HEADER + SALT]
        if salt != self._salt:
            self._salt, self._frames, self._copied = salt, 0, 0
        if len(header) == HEADER:
            self._frames = self._last_frame(descriptor, int.from_bytes(header[8:12], "big"))
        return self._frames - self._copied

    def copied(self, frames: int) -> None:
        """A checkpoint has copied the first `frames` of the log."""
        self.pages()
        self._copied = frames

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _opened(self) -> int | None:
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:  # not there yet, or not on a disk at all
                return None
        return self._descriptor

    def _read(self, descriptor: int, size: int, offset: int) -> bytes:
        return os.pread(descriptor, size, offset)

    def _last_frame(self, descriptor: int, page_size: int) -> int:
        """Doubling steps ahead from the last known frame, then halving ones."""
        length = FRAME_HEADER + page_size

        def current(frame: int) -> bool:
            offset = HEADER + (frame - 1) * length + SALT_IN_FRAME
            return self._read(descriptor, SALT, offset) == self._salt

        low, step = self._frames, 1
        while current(low + step):
            low, step = low + step, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if current(middle) else (low, middle)
        return low
