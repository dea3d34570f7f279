"""How much one answer may hold. A client takes about 25,000 tokens; an id is about ten."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from scheduler.shapes import Shape

PAGE_BYTES = 64_000
IDS = 1_000
NEIGHBORS = 100
ATTEMPTS = 20
EXCERPT = 1_000  # characters of a long text in a row


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
    return json.loads(text) if text is not None and len(text) <= EXCERPT else excerpt(text)


def fitting(rows: Sequence[Shape], room: int = PAGE_BYTES) -> int:
    """How many of the rows fit into a page, one at the least."""
    for place, row in enumerate(rows):
        room -= size(row) + 1
        if room < 0:
            return max(place, 1)
    return len(rows)
