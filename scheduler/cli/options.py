"""Options and kinds of values that several commands share."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from scheduler.cli import location

Function = TypeVar("Function", bound=Callable[..., Any])

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")


def _seconds(text: str) -> float | None:
    match = _SPAN.fullmatch(text.strip().lower())
    return float(match[1]) * _UNITS[match[2]] if match else None


def seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A span of time: 90, 90s, 1.5m, 2h, 3d."""
    if value is None:
        return None
    span = _seconds(value)
    if span is None:
        raise click.BadParameter(f"{value!r} is no span of time; write 90, 90s, 1.5m, 2h or 3d")
    return span


def moment(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """A point in time: ISO 8601 with a time zone, or +2h from now."""
    if value is None:
        return None
    if value.startswith("+") and (span := _seconds(value[1:])) is not None:
        try:
            return datetime.now(UTC) + timedelta(seconds=span)
        except OverflowError:
            raise click.BadParameter(f"{value!r} lies beyond the year 9999") from None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no time; write 2030-01-31T12:00:00Z, or +2h for from now"
        ) from None
    if time.tzinfo is None:
        raise click.BadParameter(f"{value!r} has no time zone; add Z for UTC, or one like +01:00")
    return time


def json_value(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """A JSON value, or @FILE to read it from a file."""
    if value is None:
        return None
    try:
        return json.loads(Path(value[1:]).read_text("utf-8") if value.startswith("@") else value)
    except OSError as error:
        raise click.BadParameter(f"{value[1:]!r} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"this is not JSON: {error}") from None


def _database(ctx: click.Context, param: click.Parameter, value: str) -> str:
    location.absolute(value)  # tells if there is no current folder to start from
    return value


database_option = click.option(
    "--db",
    "database",
    callback=_database,
    metavar="FILE",
    envvar="HEADRACE_DB",
    default=lambda: str(location.here()),
    help="The database. Default: $HEADRACE_DB, else .headrace/tasks.db at the root of the git "
    "repository, else tasks.db in the user's data folder.",
)
as_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object; an error as well, on stdout."
)
tools_option = click.option(
    "--tools",
    type=click.Choice(["core", "all"]),
    default="core",
    show_default=True,
    help="The twelve tools of planning and working, or also those that mend and rearrange.",
)

# The fields of a task that can be given when it is made and changed later.
_FIELDS = [
    click.option("--summary", metavar="TEXT", help="One line for lists, up to 140 characters."),
    click.option("--agent-type", metavar="NAME", help="Who can do it (a new task: general)."),
    click.option(
        "--base-priority", type=int, metavar="0-10", help="How important (a new task: 5)."
    ),
    click.option(
        "--deadline", callback=moment, metavar="TIME", help="2030-01-31T12:00:00Z, or +2h from now."
    ),
    click.option("--not-before", callback=moment, metavar="TIME", help="The earliest start."),
    click.option(
        "--estimated-duration",
        callback=seconds,
        metavar="SPAN",
        help="How long it will take: 90, 5m, 2h (a new task: as its agent_type took so far).",
    ),
    click.option(
        "--payload", callback=json_value, metavar="JSON", help="For whoever does it; or @FILE."
    ),
    click.option("--group", metavar="NAME", help="The session, feature or plan it belongs to."),
    click.option("--max-attempts", type=int, metavar="N", help="How many tries (a new task: 3)."),
    click.option(
        "--timeout", callback=seconds, metavar="SPAN", help="How long a try may take: 90, 5m, 2h."
    ),
    click.option(
        "--limit-key", metavar="NAME", help="It shares the limit of this name, if one is set."
    ),
]


def task_fields(function: Function) -> Function:
    """Add the options that enqueue and update have in common."""
    for option in reversed(_FIELDS):
        function = option(function)
    return function


def given(fields: dict[str, Any]) -> dict[str, Any]:
    """The options that stood on the command line."""
    return {field: value for field, value in fields.items() if value is not None}


def split_ids(values: Iterable[str]) -> list[str]:
    """Ids given one an option, or several with commas."""
    return [task for value in values for task in re.split(r"[,\s]+", value) if task]
