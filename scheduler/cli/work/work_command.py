"""`work`: run a command for each task that comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scheduler.cli import location
from scheduler.cli.options import as_json_option, database_option, seconds

SHORTEST_LEASE, LONGEST_LEASE = 1.0, 86_400.0


def _lease(ctx: click.Context, param: click.Parameter, value: str) -> float:
    span = seconds(ctx, param, value)
    assert span is not None
    if not SHORTEST_LEASE <= span <= LONGEST_LEASE:
        raise click.BadParameter("a lease lasts from 1s to 24h")
    return span


@click.command("work")
@click.option(
    "--agent-type",
    "agent_types",
    multiple=True,
    required=True,
    metavar="NAME",
    help="Which tasks to take. Repeat for several.",
)
@click.option(
    "--exec",
    "command",
    required=True,
    metavar="COMMAND",
    help="What does a task: a command line for sh, with the task as JSON on its stdin.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1_000),
    default=1,
    show_default=True,
    metavar="N",
    help="Tasks at a time.",
)
@click.option(
    "--lease",
    callback=_lease,
    default="60s",
    show_default=True,
    metavar="SPAN",
    help="How long a task stays ours after a heartbeat; one is sent every third of it.",
)
@click.option(
    "--name",
    "holder",
    metavar="HOLDER",
    help="Who holds the tasks. Default: work:HOST:PID:0.",
)
@click.option("--until-idle", is_flag=True, help="End when there is nothing left to do.")
@click.option(
    "--grace",
    callback=seconds,
    default="30s",
    show_default=True,
    metavar="SPAN",
    help="How long running tasks may go on after Ctrl-C or SIGTERM.",
)
@database_option
@click.option(
    "--url", metavar="URL", help="Work for the server at this address instead of a database file."
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Holds the bearer token of the server; with --url. Default: that of `headrace serve`, if"
    " the server is on this machine.",
)
@as_json_option
def work_command(
    agent_types: tuple[str, ...],
    holder: str | None,
    lease: float,
    database: str,
    url: str | None,
    token_file: Path | None,
    **rest: Any,
) -> None:
    """Run a command for each task of some agent types, as they come.

    The command finds the task on its stdin, as one JSON object, and HEADRACE_TASK_ID,
    HEADRACE_ATTEMPT, HEADRACE_AGENT_TYPE, HEADRACE_GROUP and HEADRACE_DB (or HEADRACE_URL) in
    its environment. Exit code 0 completes the task; what is printed is the result, as JSON if it
    is JSON. Any other code fails the attempt, and the next one follows, but for 64, 65, 66, 77
    and 78 (of sysexits.h): these fail the task for good.

    Ctrl-C or SIGTERM: takes no more and ends when the running tasks have ended; after the grace,
    or on the second signal, they are terminated and given back.

    \b
    Examples:
      headrace work --agent-type resize --exec './resize.sh -- "$(jq -r .task.payload.path)"'
      headrace work --agent-type test --exec ./test.sh --concurrency 4 --until-idle
      headrace work --agent-type gpu --exec ./train.py --url https://build:8000/mcp --token-file t
    """
    from scheduler.cli.work.worker_queue import Wanted
    from scheduler.cli.work.worker_session import Settings, run_worker
    from scheduler.workers.holders import holder_name

    context = click.get_current_context()
    source = context.get_parameter_source("database")
    if url is not None and source is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--db and --url exclude each other")
    if url is None and token_file is not None:
        raise click.UsageError("--token-file needs --url")
    wanted = Wanted(holder or holder_name("work", 0), tuple(dict.fromkeys(agent_types)), lease)
    database = location.absolute(database)
    context.exit(
        run_worker(Settings(wanted, url=url, token_file=token_file, database=database, **rest))
    )
