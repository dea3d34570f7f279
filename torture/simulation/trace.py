"""What happened in a world, line by line, and its fingerprint."""

from __future__ import annotations

import hashlib
from collections import deque

LAST = 60  # lines that are kept to show


class Trace:
    """Lines go in; `digest` tells two runs apart at the first byte that differs."""

    def __init__(self, *, keep: bool = False) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self.lines: deque[str] = deque(maxlen=None if keep else LAST)
        self.count = 0

    def add(self, time: float, who: str, what: str, came_of_it: str) -> None:
        """One step: virtual seconds, a client or the world, an action, an outcome."""
        line = f"{time:.6f} {who} {what}: {came_of_it}"
        self.lines.append(line)
        self._hash.update(line.encode())
        self.count += 1

    @property
    def digest(self) -> str:
        """The fingerprint of all lines so far."""
        return self._hash.hexdigest()
