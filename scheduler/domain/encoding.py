"""Checks of single values that come from a caller, and the one encoding of JSON.

Each check returns nothing and raises an InvalidTask (or TooLarge) that names the field.
A value stands in the error's `received` only, cut to 80 characters.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from scheduler.domain.errors import InvalidTask, StoreCorrupt, TooLarge

NAME_LENGTH = 200
JSON_BYTES = 256 * 1024
JSON_DEPTH = 64

_encode_fast, _decode_fast = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
_encode = json.JSONEncoder(
    allow_nan=False, ensure_ascii=False, check_circular=False, separators=(",", ":")
).encode


def text(field: str, value: object, most_bytes: int) -> None:
    """A non-empty str of valid Unicode, up to `most_bytes` in UTF-8."""
    if not isinstance(value, str):
        raise _wrong(field, value, "a str")
    if not value:
        raise InvalidTask(
            f"{field} is empty",
            field=field,
            received="",
            allowed=f"1 character to {most_bytes:,} bytes",
            hint=f"Give {field} some text.",
        )
    size = len(value) if value.isascii() else _utf8_length(field, value)
    if size > most_bytes:
        raise TooLarge(
            f"{field} has {size:,} bytes",
            field=field,
            received=size,
            allowed=f"up to {most_bytes:,} bytes in UTF-8",
            hint="Shorten it, or store it elsewhere and name the place.",
        )


def _utf8_length(field: str, value: str) -> int:
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        raise InvalidTask(
            f"{field} holds a lone surrogate, which is no Unicode text",
            field=field,
            received=ascii(value)[:80],
            allowed="valid Unicode",
            hint="Decode the source with errors='replace'.",
        ) from None


def name(field: str, value: object) -> None:
    """A str of 1 to 200 printable characters."""
    if isinstance(value, str) and 0 < len(value) <= NAME_LENGTH and value.isprintable():
        return
    if not isinstance(value, str):
        raise _wrong(field, value, "a str")
    raise InvalidTask(
        f"{field} is empty, too long, or holds control characters",
        field=field,
        received=ascii(value)[:80],
        allowed=f"1 to {NAME_LENGTH} printable characters",
        hint="Use a short plain name.",
    )


def number_in(field: str, value: object, low: float, high: float, *, whole: bool = False) -> None:
    """A number (an int where `whole`) between `low` and `high`, both included."""
    if type(value) is int and low <= value <= high:  # as most are
        return
    number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if number and low <= value <= high:  # type: ignore[operator] # NaN is not
        return
    kind = "a whole number" if whole else "a number"
    allowed = f"{kind} from {plain(low)} to {plain(high)}"
    if not isinstance(value, int | float) or not number:
        raise _wrong(field, value, allowed)
    raise InvalidTask(
        f"{field} is out of range",
        field=field,
        received=value if value == value and abs(value) != float("inf") else str(value),
        allowed=allowed,
        hint=f"Choose {allowed}.",
    )


def plain(number: float) -> str:
    """A bound as one would type it.

    >>> plain(0.001), plain(2**53), plain(3.15576e8)
    ('0.001', '9007199254740992', '315576000')
    """
    return f"{number:.0f}" if float(number).is_integer() else f"{number:g}"


def _wrong(field: str, value: object, allowed: str) -> InvalidTask:
    return InvalidTask(
        f"{field} is a {type(value).__name__}",
        field=field,
        received=ascii(value)[:80],
        allowed=allowed,
        hint=f"Pass {allowed}.",
    )


def encode_json(field: str, value: Any) -> str:
    """A value as compact JSON text; refuses what does not come back as it went in.

    >>> encode_json("payload", {"a": [1, None]})
    '{"a":[1,null]}'
    """
    encoded = _encode_plain(value)
    return _encode_closely(field, value) if encoded is None else encoded


def _encode_plain(value: Any) -> str | None:
    """The text of a value that comes back from it equal; None if it needs a closer look.

    A fifth of the time that the closer look takes, which knows what else is JSON (a tuple), and
    what to say of what is not.
    """
    try:
        encoded = _encode_fast(value)
        size = len(encoded)
        if size > JSON_BYTES or _decode_fast(encoded) != value:
            return None
        if size > 2 * JSON_DEPTH and encoded.count(b"{") + encoded.count(b"[") > JSON_DEPTH:
            return None
        return encoded.decode()
    except Exception:  # a value may have methods of its own, which may do anything
        return None


def _encode_closely(field: str, value: Any) -> str:
    _check_depth(field, value)
    try:
        encoded = _encode(value)
        size = len(encoded) if encoded.isascii() else len(encoded.encode())
    except (TypeError, ValueError) as error:  # UnicodeEncodeError is a ValueError
        raise InvalidTask(
            f"{field} is not JSON: {_reason(error)}",
            field=field,
            received=type(value).__name__,
            allowed="None, bool, finite numbers, valid str, and lists and dicts of these",
            hint="Convert it first, for example dates with .isoformat().",
        ) from None
    if size > JSON_BYTES:
        raise TooLarge(
            f"{field} has {size:,} bytes as JSON",
            field=field,
            received=size,
            allowed=f"up to {JSON_BYTES:,} bytes",
            hint="Write it to a file and pass the file's name.",
        )
    return encoded


def stored_json(text: str) -> Any:
    """The value of a JSON text that was stored. Raises StoreCorrupt when it is none any more."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise StoreCorrupt(
            "a payload or a result in the database is no JSON any more",
            hint="Run `headrace doctor` on the file, then restore a backup.",
        ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "a string holds a lone surrogate"
    if isinstance(error, TypeError):
        return "a value of a type that JSON lacks"
    return "a number that is not finite or too long"


_CONTAINERS = (dict, list, tuple)


def _check_depth(field: str, value: Any) -> None:
    """Refuses nesting deeper than JSON_DEPTH (and so any circle), and keys that are no str."""
    level: list[Any] = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(JSON_DEPTH):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                for key, inner in item.items():
                    if not isinstance(key, str):
                        raise _wrong(field, key, "str keys")
                    if isinstance(inner, _CONTAINERS):
                        deeper.append(inner)
            else:
                deeper += [inner for inner in item if isinstance(inner, _CONTAINERS)]
        if not deeper:
            return
        if len(deeper) > JSON_BYTES:  # a circle grows from level to level
            break
        level = deeper
    raise TooLarge(
        f"{field} is nested too deep, or contains itself",
        field=field,
        allowed=f"{JSON_DEPTH} levels",
        hint="Flatten it.",
    )
