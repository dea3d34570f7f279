"""Random bits of the operating system, drawn a page at a time: one call to it takes 1 us."""

from __future__ import annotations

import os
from array import array

PAGE = 4_096  # bytes


class Entropy:
    """As `secrets.randbits`, which it stands in for where ids and tokens are made."""

    def __init__(self) -> None:
        self._words: array[int] = array("Q")  # of 64 bits, not given yet

    def __call__(self, bits: int) -> int:
        """So many random bits (up to 32,768), none of which is given twice."""
        words = self._words
        count = bits + 63 >> 6
        if len(words) < count:
            words.frombytes(os.urandom(PAGE))
        number = words.pop()
        for _ in range(count - 1):
            number = number << 64 | words.pop()
        return number >> (count << 6) - bits
