"""`run`: a workflow file from start to end, and on from where it was stopped."""

from __future__ import annotations

import os
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scheduler.cli.options import as_json_option, database_option

if TYPE_CHECKING:
    from persistence.store import Durability


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _a_number(ctx: click.Context, param: click.Parameter, value: float) -> float:
    if isnan(value):  # which lies in every range
        raise click.BadParameter("nan is no number")
    return value


@click.command("run")
@click.argument("workflow", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--workers",
    type=click.IntRange(1, 10_000),
    default=_processors,
    metavar="N",
    help="Tasks at a time. Default: the number of processors.",
)
@click.option(
    "--speed",
    type=click.FloatRange(1e-6, 1e9),
    callback=_a_number,
    default=1.0,
    metavar="X",
    help="Replay recorded times (runtime_s) X times as fast.",
)
@click.option(
    "--durability",
    type=click.Choice(["synced", "committed", "accepted"]),
    default="synced",
    show_default=True,
    help="What a finished task survives: power loss, kill -9, an orderly end.",
)
@click.option("--group", metavar="NAME", help="Default: the file's name without its ending.")
@database_option
@as_json_option
def run_command(
    workflow: Path,
    workers: int,
    speed: float,
    durability: Durability,
    group: str | None,
    database: str,
    as_json: bool,
) -> None:
    """Run a workflow file: its tasks in dependency and priority order, N at a time.

    WORKFLOW is a .toml file of [[task]] tables or a .jsonl file with one object a line. A task
    has a `ref`, `prerequisites` (refs), and `run` (a command line, started without a shell in
    the current folder) or `runtime_s` (a recorded time, replayed as a sleep).

    Stopped by Ctrl-C, kill -9 or power loss, the same command goes on where it was: what was
    done is not done again. An edited task, and what depends on it, runs anew.

    With --json: one JSON object a line for each thing that happens.

    \b
    Examples:
      headrace run examples/build.toml --workers 4
      headrace run examples/workflows/montage-chameleon-2mass-01d-001.jsonl --speed 10 --workers 8
      headrace run build.toml --db :memory:
    """
    from scheduler.cli.run.run_session import Settings, run_workflow

    settings = Settings(workers, speed, durability, database, as_json)
    click.get_current_context().exit(run_workflow(workflow, group, settings))
