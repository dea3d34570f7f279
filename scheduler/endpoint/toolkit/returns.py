"""Schemas of what tools return, in the fewest words that say it.

No root has `required`: some clients check the object of a failed call against the schema of a
successful one, and would hide the error from the agent.
"""

from __future__ import annotations

from typing import Any

from scheduler.domain.task import Status
from scheduler.endpoint.toolkit.fields import Schema


def _typed(kind: str, about: str, null: bool) -> Schema:
    schema: Schema = {"type": [kind, "null"] if null else kind}
    return schema | {"description": about} if about else schema


def text(about: str = "", *, null: bool = False) -> Schema:
    """A text."""
    return _typed("string", about, null)


def number(about: str = "", *, null: bool = False) -> Schema:
    """A number."""
    return _typed("number", about, null)


def whole(about: str = "", *, null: bool = False) -> Schema:
    """A whole number."""
    return _typed("integer", about, null)


def flag(about: str = "") -> Schema:
    """True or false."""
    return _typed("boolean", about, null=False)


def json(about: str = "") -> Schema:
    """Any JSON value."""
    return {"description": about} if about else {}


def many(item: Schema, about: str = "") -> Schema:
    """A list."""
    schema: Schema = {"type": "array", "items": item}
    return schema | {"description": about} if about else schema


def ids(about: str = "") -> Schema:
    """A list of task ids."""
    return many(text(), about)


def fields(properties: dict[str, Schema], about: str = "", *, null: bool = False) -> Schema:
    """An object with these fields."""
    return _typed("object", about, null) | {"properties": properties}


def mapping(value: Schema, about: str = "") -> Schema:
    """An object with keys that are data."""
    return _typed("object", about, null=False) | {"additionalProperties": value}


STATUS: Schema = {"type": "string", "enum": [str(status) for status in Status]}
RELATED = many(fields({"task_id": text(), "summary": text(), "status": text()}))


def related(about: str) -> Schema:
    """Other tasks, in short."""
    return RELATED | {"description": about}


def root(properties: dict[str, Any]) -> Schema:
    """What a tool returns."""
    return {"type": "object", "properties": properties}
