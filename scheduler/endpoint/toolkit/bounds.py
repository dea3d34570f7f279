"""How much one answer may hold. A client takes about 25,000 tokens; an id is about ten."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from scheduler.domain.encoding import stored_json
from scheduler.shapes import Shape

T = TypeVar("T")

PAGE_BYTES = 64_000
IDS = 1_000
NEIGHBORS = 100
ATTEMPTS = 20
EXCERPT = 1_000  # characters of a long text in a row
SLICE = 50  # whole tasks fetched at a time: of any size, they fit through a socket


def size(value: Any) -> int:
    """The bytes of a value as compact JSON, as if every character were escaped that can be."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def excerpt(text: str | None) -> str | None:
    """The beginning of a text, with an ellipsis where it was cut."""
    return text if text is None or len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"


def json_excerpt(text: str | None) -> Any:
    """The value of a JSON text; of a long one the beginning of the text, with an ellipsis.

    >>> json_excerpt('{"a":1}'), json_excerpt('"' + "x" * EXCERPT + '"')[:3]
    ({'a': 1}, '"xx')
    """
    return stored_json(text) if text is not None and len(text) <= EXCERPT else excerpt(text)


def slices(items: Sequence[T], most: int = SLICE) -> Iterator[Sequence[T]]:
    """The items, up to `most` at a time.

    >>> list(slices("abcde", 2))
    ['ab', 'cd', 'e']
    """
    return (items[start : start + most] for start in range(0, len(items), most))


def leading(values: Sequence[T], room: int) -> Sequence[T]:
    """As many of the first values as so many bytes hold.

    >>> leading(["a", "b", "c"], 9)
    ['a', 'b']
    """
    for place, value in enumerate(values):
        room -= size(value) + 1
        if room < 0:
            return values[:place]
    return values


class Rows:
    """The rows of one answer: up to `limit`, and as many as a page holds, one at the least.

    A row may say little of much: so what it is made from is fetched in slices.
    """

    def __init__(self, limit: int) -> None:
        self.taken: list[Shape] = []
        self._limit = limit
        self._room = PAGE_BYTES

    def take(self, rows: Sequence[Shape]) -> int:
        """Add rows while they fit; how many did. After one that did not fit none does."""
        for place, row in enumerate(rows):
            self._room -= size(row) + 1
            if self.taken and (self._room < 0 or len(self.taken) == self._limit):
                self._room = -1
                return place
            self.taken.append(row)
        return len(rows)

    def wanted(self, most: int = SLICE) -> int:
        """How many more to fetch at once, at most: as many as fit if they are like those taken."""
        count = len(self.taken)
        left = min(most, self._limit - count)
        if count:
            left = min(left, max(self._room, 0) * count // (PAGE_BYTES - self._room))
        return left
