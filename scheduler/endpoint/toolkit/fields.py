"""Kinds of arguments. Each knows its JSON schema and reads a value: liberal in, strict out.

`parse` takes the value of a JSON document and returns what the scheduler wants, or raises an
InvalidRequest that names the field. Sizes and ranges that the core checks are left to it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from math import isfinite
from typing import Any, NoReturn, Protocol

import msgspec

from scheduler.domain import ids
from scheduler.domain.encoding import encode_json, number_in, plain
from scheduler.domain.errors import InvalidRequest
from scheduler.endpoint.toolkit.words import nearest

Schema = dict[str, Any]
ID_ALLOWED = f"a task id: {ids.LENGTH} characters of 0-9 and a-z without i, l, o, u"
ID_PREFIX = "task://"  # a resource's address stands for the id in it


class Kind(Protocol):
    """What an argument may hold."""

    @property
    def allowed(self) -> str:
        """In words."""
        ...

    def schema(self) -> Schema:
        """As JSON schema: one type, no references."""
        ...

    def parse(self, value: Any, field: str) -> Any:
        """The value as the scheduler wants it."""
        ...


def wrong(field: str, value: Any, allowed: str, hint: str | None = None) -> InvalidRequest:
    """The error for a value that is not of its kind."""
    return InvalidRequest(
        f"{field} is not {allowed}",
        field=field,
        received=value,
        allowed=allowed,
        hint=hint or f"Give {field} as {allowed}.",
    )


class Text(msgspec.Struct, frozen=True):
    """A text, kept exactly as it is."""

    @property
    def allowed(self) -> str:
        return "a text"

    def schema(self) -> Schema:
        return {"type": "string"}

    def parse(self, value: Any, field: str) -> str:
        if isinstance(value, str):
            return value
        raise wrong(field, value, self.allowed)


class Word(Text, frozen=True):
    """A name within a call; a number will do, and spaces around it do not count."""

    def parse(self, value: Any, field: str) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        return Text.parse(self, value, field).strip()


class Id(msgspec.Struct, frozen=True):
    """A task id."""

    @property
    def allowed(self) -> str:
        return ID_ALLOWED

    def schema(self) -> Schema:
        return {"type": "string"}

    def parse(self, value: Any, field: str) -> str:
        text = value.strip().removeprefix(ID_PREFIX) if isinstance(value, str) else value
        try:
            return ids.encode(ids.decode(text, field))
        except InvalidRequest:
            raise wrong(field, value, self.allowed) from None


class Cursor(msgspec.Struct, frozen=True):
    """What an earlier page gave as its cursor."""

    @property
    def allowed(self) -> str:
        return "the next_cursor of the page before"

    def schema(self) -> Schema:
        return {"type": "string"}

    def parse(self, value: Any, field: str) -> str:
        try:
            return ids.encode(ids.decode(value, field))
        except InvalidRequest:
            hint = "Pass next_cursor as it came, or leave cursor out for the first page."
            raise wrong(field, value, self.allowed, hint) from None


class Number(msgspec.Struct, frozen=True):
    """A number from `low` to `high`; digits in a text are understood."""

    low: float
    high: float
    whole: bool = False

    @property
    def allowed(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {plain(self.low)} to {plain(self.high)}"

    def schema(self) -> Schema:
        kind = "integer" if self.whole else "number"
        return {"type": kind, "minimum": self.low, "maximum": self.high}

    def parse(self, value: Any, field: str) -> Any:
        number = _number(value, self.whole)
        if number is None:
            raise wrong(field, value, self.allowed)
        number_in(field, number, self.low, self.high, whole=self.whole)
        return number


def _number(value: Any, whole: bool) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        text = value.strip()
        try:
            value = int(text) if text.isdecimal() and len(text) < 20 else float(text)
        except ValueError:
            return None
    if isinstance(value, float) and not isfinite(value):
        return None
    if whole and isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value


class Moment(msgspec.Struct, frozen=True):
    """A moment: ISO 8601 with a time zone."""

    @property
    def allowed(self) -> str:
        return "ISO 8601 with a time zone, such as 2027-01-31T12:00:00Z"

    def schema(self) -> Schema:
        return {"type": "string", "format": "date-time"}

    def parse(self, value: Any, field: str) -> datetime:
        moment = None
        if isinstance(value, str):
            with suppress(ValueError):
                moment = datetime.fromisoformat(value.strip().upper())
        if moment is None:
            raise wrong(field, value, self.allowed)
        if moment.tzinfo is None:
            hint = f"Add Z for UTC, or an offset such as +02:00, to {field}."
            raise wrong(field, value, self.allowed, hint)
        return moment


class Flag(msgspec.Struct, frozen=True):
    """Yes or no."""

    @property
    def allowed(self) -> str:
        return "true or false"

    def schema(self) -> Schema:
        return {"type": "boolean"}

    def parse(self, value: Any, field: str) -> bool:
        if isinstance(value, bool):
            return value
        word = value.strip().lower() if isinstance(value, str) else None
        if word in ("true", "false"):
            return word == "true"
        raise wrong(field, value, self.allowed)


class Choice(msgspec.Struct, frozen=True):
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return "one of " + ", ".join(self.words)

    def schema(self) -> Schema:
        return {"type": "string", "enum": list(self.words)}

    def parse(self, value: Any, field: str) -> str:
        word = value.strip().lower() if isinstance(value, str) else None
        if word in self.words:
            return str(word)
        near = nearest(str(word), self.words)
        raise InvalidRequest(
            f"{field} is none of the allowed words",
            field=field,
            received=value,
            allowed=self.allowed,
            hint=f'Did you mean {field}="{near}"?' if near else "Pick one of the allowed words.",
        )


class Json(msgspec.Struct, frozen=True):
    """Any JSON value, best an object. A text that encodes an object or a list is decoded.

    One that encodes what the core does not take, such as deep nesting, stays a text: the caller
    may have meant no more.
    """

    @property
    def allowed(self) -> str:
        return "JSON, best an object"

    def schema(self) -> Schema:
        return {"type": "object"}

    def parse(self, value: Any, field: str) -> Any:
        if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
            decoded = decode_json(value)
            with suppress(InvalidRequest):
                encode_json(field, decoded)
                return value if decoded is None else decoded
        return value


class Several(msgspec.Struct, frozen=True):
    """A list. A JSON text of one, words with commas between them, or one alone will do."""

    item: Kind
    least: int = 0

    @property
    def allowed(self) -> str:
        return f"a list, each item {self.item.allowed}"

    def schema(self) -> Schema:
        return {"type": "array", "items": self.item.schema()}

    def parse(self, value: Any, field: str) -> tuple[Any, ...]:
        items = tuple(self.item.parse(item, field) for item in listed(value, field))
        if len(items) < self.least:
            raise wrong(field, value, "a list of one or more", f"Name some, or leave {field} out.")
        return items


class Words(Several, frozen=True):
    """The same, announced as one text: words with commas between them."""

    def schema(self) -> Schema:
        return {"type": "string"}


def listed(value: Any, field: str) -> Sequence[Any]:
    """A list from whatever form it came in."""
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, str):
        decoded = decode_json(value) if value.lstrip().startswith("[") else None
        if isinstance(decoded, list):
            return decoded
        return [word.strip() for word in value.split(",") if word.strip()]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [value]
    raise wrong(field, value, "a list")


def decode_json(text: str) -> Any:
    """The value that a JSON text encodes; None if it is none."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> NoReturn:
    """NaN and Infinity are Python's, not JSON."""
    raise ValueError(constant)
