"""Reads the two formats of a workflow file into plain entries, each with its place in the file.

JSON Lines (`.jsonl`): one task an object, one object a line. TOML (`.toml`): a `[[task]]` table
a task, and an optional `name`. What the fields mean is the business of `workflow`.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from scheduler.domain.errors import InvalidRequest

FORMATS = (".jsonl", ".toml")
TOP_LEVEL = ("name", "task")  # of a TOML file


class InvalidWorkflow(InvalidRequest):
    """A workflow file cannot be used. `place` is where: the file, and a line or a table."""

    code = "invalid_workflow"

    def __init__(self, message: str, *, place: str, **facts: Any) -> None:
        super().__init__(f"{place}: {message}", **facts)
        self.place = place

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"place": self.place}


class Entry(msgspec.Struct, frozen=True):
    """One task as it stands in the file. `place` reads "build.toml, task 3"."""

    place: str
    fields: dict[str, Any]


def is_workflow(name: str) -> bool:
    """Whether a name on the command line means a workflow file, and not a task id."""
    return name.endswith(FORMATS)


def read_entries(path: Path) -> tuple[str, list[Entry]]:
    """The workflow's name (a TOML `name`, else the file's) and its tasks in the file's order."""
    text = _text_of(path)
    match path.suffix:
        case ".jsonl":
            name, entries = path.stem, list(_json_lines(path, text))
        case ".toml":
            name, entries = _toml(path, text)
        case _:
            raise InvalidWorkflow(
                "the name tells no format",
                place=path.name,
                received=path.suffix,
                allowed=" or ".join(FORMATS),
                hint="Rename the file after what is in it.",
            )
    if not entries:
        raise InvalidWorkflow(
            "there is no task in it",
            place=path.name,
            allowed="one task or more",
            hint="See examples/workflows in the project for both formats.",
        )
    return name, entries


def unknown_name(place: str, what: str, given: str, known: Iterable[str]) -> InvalidWorkflow:
    """The error for a name that does not exist, with the nearest one that does."""
    known = tuple(known)
    near = difflib.get_close_matches(given, known, 1, 0.5)
    shown = ", ".join(known[:30]) + (", …" if len(known) > 30 else "")
    return InvalidWorkflow(
        f"there is no such {what}",
        place=place,
        received=given[:200],
        allowed=shown,
        hint=f"Did you mean {near[0]}?" if near else None,
    )


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidWorkflow(
            f"byte {error.start} is not UTF-8",
            place=path.name,
            allowed="text in UTF-8",
            hint="Save the file as UTF-8.",
        ) from None
    except OSError as error:
        raise InvalidWorkflow(
            f"it cannot be read: {error.strerror}", place=path.name, received=str(path)
        ) from None


def _json_lines(path: Path, text: str) -> Iterator[Entry]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path.name}, line {number}"
        try:
            fields = json.loads(line, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise _malformed(place, line, error) from None
        if not isinstance(fields, dict):
            raise InvalidWorkflow(
                "a line holds one JSON object",
                place=place,
                received=line.strip()[:80],
                allowed='{"ref": …, …}',
            )
        yield Entry(place, fields)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _malformed(place: str, line: str, error: Exception) -> InvalidWorkflow:
    reason = (
        f"{error.msg} at column {error.colno}"
        if isinstance(error, json.JSONDecodeError)
        else str(error)
    )
    return InvalidWorkflow(
        f"this is not JSON: {reason}",
        place=place,
        received=line.strip()[:80],
        allowed="one JSON object on one line",
    )


def _toml(path: Path, text: str) -> tuple[str, list[Entry]]:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidWorkflow(f"this is not TOML: {error}", place=path.name) from None
    for key in document:
        if key not in TOP_LEVEL:
            raise unknown_name(path.name, "key at the top level", key, TOP_LEVEL)
    name, tables = document.get("name", path.stem), document.get("task", [])
    if not isinstance(name, str):
        raise InvalidWorkflow(
            "name is not a string", place=path.name, field="name", received=repr(name)[:80]
        )
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InvalidWorkflow(
            "task is not a list of tables", place=path.name, field="task", allowed="[[task]] tables"
        )
    return name, [
        Entry(f"{path.name}, task {number}", table) for number, table in enumerate(tables, 1)
    ]
