"""What somebody may have meant by a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(given: str, known: Iterable[str]) -> str | None:
    """The nearest known name as a hint; None if none is near.

    >>> did_you_mean("enqeue", ["enqueue", "explain"])
    'Did you mean enqueue?'
    """
    near = difflib.get_close_matches(given, tuple(known), 1, 0.5)
    return f"Did you mean {near[0]}?" if near else None
