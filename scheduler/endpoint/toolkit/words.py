"""Words that come from callers: the nearest valid one, and a harmless form to show."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from itertools import islice
from math import isfinite
from typing import Any

SHOWN = 80  # characters
LOOKED_AT = 1_000  # valid words
LARGEST = 2**63


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The valid word that was probably meant."""
    near = difflib.get_close_matches(word[:SHOWN].lower(), tuple(islice(known, LOOKED_AT)), 1, 0.6)
    return near[0] if near else None


def shown(value: Any) -> Any:
    """A caller's value as an error may show it: printable ASCII, cut to 80 characters.

    Numbers and flags stay what they are.

    >>> shown("red \\x1b[31m\\u202e"), shown(11), shown(["a"])
    ('red \\\\x1b[31m\\\\u202e', 11, '["a"]')
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, int):
        return value if abs(value) < LARGEST else "a number of more than 63 bits"
    if isinstance(value, str):
        return ascii_only(value)
    try:
        return ascii_only(json.dumps(value, ensure_ascii=True)[:SHOWN])
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__


def ascii_only(text: str) -> str:
    """The same for a text."""
    return printable(text[:SHOWN])[:SHOWN]


def printable(text: str) -> str:
    """Printable ASCII; all else is escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if " " <= char <= "~" else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
