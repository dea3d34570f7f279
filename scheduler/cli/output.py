"""Prints answers: tables and pages for people, plain columns for pipes, JSON for programs.

On a terminal tables are drawn to fit. Elsewhere they are tab-separated lines under a header,
nothing cut off. All text passes through `safe`, JSON on a terminal through `safe_json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import click

from scheduler.cli.text import safe, safe_json, safe_lines

NARROW = 20  # characters of a column that gives way
PADDING = 3  # characters between columns


def print_json(value: Any) -> None:
    """One JSON object on stdout; for people on several lines."""
    click.echo(_json(value, indent=2 if sys.stdout.isatty() else None))


def print_event(event: str, facts: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own: something that happened."""
    click.echo(_json({"event": event, **facts}))


def _json(value: Any, indent: int | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return safe_json(text) if sys.stdout.isatty() else text


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    shorten: Collection[str] = (),
) -> None:
    """Rows under a header. On a narrow terminal the columns in `shorten` give way.

    Where there are none, the last column is wrapped.
    """
    cells = [[safe(str(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _draw_table(columns, cells, shorten)
    else:
        for line in (columns, *cells):
            click.echo("\t".join(line))


def _draw_table(
    columns: Sequence[str], cells: Sequence[Sequence[str]], shorten: Collection[str]
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    console = Console()
    least = 0  # columns that give way count as narrow, all others as they are
    for place, column in enumerate(columns):
        last = place == len(columns) - 1
        if column in shorten or (last and not shorten):
            table.add_column(column, max_width=None if last else NARROW)
            least += NARROW
        else:
            table.add_column(column, no_wrap=True)
            least += max(map(len, (column, *(row[place] for row in cells)))) + PADDING
    for row in cells:
        table.add_row(
            *(
                Text(cell, no_wrap=column in shorten, overflow="ellipsis" if shorten else "fold")
                for column, cell in zip(columns, row, strict=True)
            )
        )
    console.width = max(console.width, least)  # rather broken by the terminal than cut off
    console.print(table)


def print_facts(facts: Mapping[str, object]) -> None:
    """Names and values, one a line; a text of several lines is indented under its name."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        lines = safe_lines(str(value))
        if len(lines) == 1:
            click.echo(f"{name:<{width}}  {lines[0]}".rstrip())
        else:
            click.echo(name)
            for line in lines:
                click.echo(f"    {line}")


def print_error(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """An error: for programs as JSON on stdout, for people on stderr."""
    if as_json:
        print_json({"error": facts})
        return
    click.echo(f"error [{facts['code']}]: {safe(facts['message'])}", err=True)
    for name in ("field", "received", "allowed", "path", "hint"):
        if facts.get(name) is not None:
            value = facts[name]
            text = " → ".join(value) if name == "path" else str(value)
            click.echo(f"  {name + ':':<10}{safe(text)}", err=True)
    if "retry_after_s" in facts:
        click.echo(f"  retry:    after {facts['retry_after_s']:g} s", err=True)
