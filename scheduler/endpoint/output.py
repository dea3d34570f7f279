"""Answers as JSON that every client can read."""

from __future__ import annotations

import json
from typing import Any

import msgspec

Body = dict[str, Any]


def compact(body: Body) -> tuple[str, Body]:
    """An answer as compact JSON, and the same as an object.

    A lone surrogate, which UTF-8 cannot express, becomes a question mark in both.

    >>> compact({"received": "a\\ud800b"})
    ('{"received":"a?b"}', {'received': 'a?b'})
    """
    try:
        return msgspec.json.encode(body).decode(), body
    except UnicodeEncodeError:
        text = without_surrogates(json.dumps(body, ensure_ascii=False, separators=(",", ":")))
        mended: Body = json.loads(text)
        return text, mended


def without_surrogates(text: str) -> str:
    """The text with a question mark for each lone surrogate."""
    return text.encode("utf-8", "replace").decode()
