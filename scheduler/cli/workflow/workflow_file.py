"""Reads the two formats of a workflow file into plain entries, each with its place in the file.

JSON Lines (`.jsonl`): one task an object, one object a line. TOML (`.toml`): a `[[task]]` table
a task, and an optional `name`. What the fields mean is the business of `workflow`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from scheduler.cli.nearest import did_you_mean
from scheduler.domain.errors import InvalidRequest

FORMATS = (".jsonl", ".toml")
_IN_TOML = re.compile(r"\(at [a-z0-9 ,]+\)$")
TOP_LEVEL = ("name", "task")  # of a TOML file


class Entry(msgspec.Struct, frozen=True):
    """One task as it stands in the file. `place` reads "build.toml, task 3"."""

    place: str
    fields: dict[str, Any]


def wrong(place: str, message: str, **facts: Any) -> InvalidRequest:
    """The error for something in a file; `place` says where."""
    return InvalidRequest(f"{place}: {message}", **facts)


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
            raise wrong(
                path.name,
                "the name tells no format",
                received=path.suffix,
                allowed=" or ".join(FORMATS),
                hint="Rename the file after what is in it.",
            )
    if not entries:
        raise wrong(
            path.name,
            "there is no task in it",
            allowed="one task or more",
            hint="See examples/workflows in the project for both formats.",
        )
    return name, entries


def unknown_name(place: str, what: str, given: str, known: Iterable[str]) -> InvalidRequest:
    """The error for a name that does not exist, with the nearest one that does."""
    known = tuple(known)
    shown = ", ".join(known[:30]) + (", …" if len(known) > 30 else "")
    return wrong(
        place,
        f"there is no such {what}",
        received=given[:200],
        allowed=shown,
        hint=did_you_mean(given, known),
    )


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise wrong(
            f"{path.name}, line {line}",
            "this is not UTF-8",
            allowed="text in UTF-8",
            hint="Save the file as UTF-8.",
        ) from None
    except OSError as error:
        raise wrong(path.name, f"it cannot be read: {error.strerror}", received=str(path)) from None


def _json_lines(path: Path, text: str) -> Iterator[Entry]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path.name}, line {number}"
        try:
            fields = json.loads(
                line, parse_constant=_refuse_constant, object_pairs_hook=_without_doubles
            )
        except _StandsTwice as error:
            key = str(error)[:80]
            allowed = "each key once in an object"
            raise wrong(place, "a key stands twice", received=key, allowed=allowed) from None
        except (ValueError, RecursionError) as error:
            raise _malformed(place, line, error) from None
        if not isinstance(fields, dict):
            raise wrong(
                place,
                "a line holds one JSON object",
                received=line.strip()[:80],
                allowed='{"ref": …, …}',
            )
        yield Entry(place, fields)


class _StandsTwice(Exception):
    """The key that does."""


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _StandsTwice(next(key for key in keys if keys.count(key) > 1))
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _malformed(place: str, line: str, error: Exception) -> InvalidRequest:
    reason = (
        f"{error.msg} at column {error.colno}"
        if isinstance(error, json.JSONDecodeError)
        else str(error)
    )
    return wrong(
        place,
        f"this is not JSON: {reason}",
        received=line.strip()[:80],
        allowed="one JSON object on one line",
    )


def _toml(path: Path, text: str) -> tuple[str, list[Entry]]:
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of a number with too many digits
        # Its words may repeat a key; the place alone is the parser's.
        place = _IN_TOML.search(str(error))
        at = f" {place[0]}" if place else ""
        raise wrong(path.name, f"this is not TOML{at}", received=str(error)[:200]) from None
    for key in document:
        if key not in TOP_LEVEL:
            raise unknown_name(path.name, "key at the top level", key, TOP_LEVEL)
    name, tables = document.get("name", path.stem), document.get("task", [])
    if not isinstance(name, str):
        raise wrong(path.name, "name is not a string", field="name", received=repr(name)[:80])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise wrong(
            path.name, "task is not a list of tables", field="task", allowed="[[task]] tables"
        )
    return name, [
        Entry(f"{path.name}, task {number}", table) for number, table in enumerate(tables, 1)
    ]
