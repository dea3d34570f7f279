"""The arguments of a tool: declared once, for the schema, the parsing and the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from scheduler.domain.errors import InvalidRequest
from scheduler.endpoint.toolkit.fields import Kind, Schema
from scheduler.endpoint.toolkit.words import ascii_only, nearest


class Field(msgspec.Struct, frozen=True):
    """An argument. Null means that it is not given; with `clears` it means: make it empty."""

    name: str
    kind: Kind
    about: str = ""
    required: bool = False
    default: Any = None
    aliases: tuple[str, ...] = ()
    clears: bool = False

    def schema(self) -> Schema:
        """The property that announces it."""
        schema = self.kind.schema()
        if self.about:
            schema["description"] = self.about
        if self.default is not None:
            schema["default"] = self.default
        return schema


def schema_of(fields: Iterable[Field]) -> Schema:
    """The flat object that holds the fields."""
    fields = tuple(fields)
    schema: Schema = {
        "type": "object",
        "properties": {field.name: field.schema() for field in fields},
    }
    required = [field.name for field in fields if field.required]
    if required:
        schema["required"] = required
    return schema | {"additionalProperties": False}


def parse(
    fields: Mapping[str, Field], given: Mapping[str, Any], owner: str, at: str = ""
) -> dict[str, Any]:
    """The arguments of `owner` as its answer wants them; defaults filled in, absent ones left out.

    `at` is where they stand, for the names in errors: "tasks[3].".
    """
    parsed: dict[str, Any] = {}
    for name, value in _by_name(fields, given, owner, at).items():
        field = fields[name]
        if value is not None:
            parsed[name] = field.kind.parse(value, at + name)
        elif field.clears:
            parsed[name] = None
    for name, field in fields.items():
        if name in parsed:
            continue
        if field.required:
            raise _missing(field, owner, at)
        if field.default is not None:
            parsed[name] = field.default
    return parsed


def _by_name(
    fields: Mapping[str, Field], given: Mapping[str, Any], owner: str, at: str
) -> dict[str, Any]:
    """The given values under their proper names."""
    values: dict[str, Any] = {}
    for word, value in given.items():
        name = word if word in fields else _alias(fields, word)
        if name is None or (name != word and name in given):
            raise _unknown(fields, word, owner, at)
        values[name] = value
    return values


def _alias(fields: Mapping[str, Field], word: str) -> str | None:
    return next((field.name for field in fields.values() if word in field.aliases), None)


def _unknown(fields: Mapping[str, Field], word: str, owner: str, at: str) -> InvalidRequest:
    near = nearest(str(word), fields)
    return InvalidRequest(
        f"{owner} takes no such argument",
        field=at + ascii_only(str(word)),
        received=str(word),
        allowed=", ".join(fields) or "no arguments",
        hint=f"Did you mean {near}?" if near else "Leave it out.",
    )


def _missing(field: Field, owner: str, at: str) -> InvalidRequest:
    return InvalidRequest(
        f"{at}{field.name} is missing",
        field=at + field.name,
        allowed=field.kind.allowed,
        hint=f"{owner} needs {field.name}: {field.about or field.kind.allowed}.",
    )
