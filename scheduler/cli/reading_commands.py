"""`list`, `get`, `status` and `explain`: what the queue holds and why."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click

from scheduler import shapes
from scheduler.cli.nearest import did_you_mean
from scheduler.cli.options import as_json_option, database_option
from scheduler.cli.output import print_facts, print_json, print_table
from scheduler.cli.session import ask
from scheduler.cli.text import safe
from scheduler.domain.errors import InvalidRequest
from scheduler.domain.task import Attempt, Status, Task
from scheduler.domain.views import Explanation, Page, QueueStatus, Related, TaskDetails
from scheduler.handle import Handle
from scheduler.workers.processes.outcomes import in_short

STATUSES = (*map(str, Status), "pending")
ALSO_CALLED = {
    "done": "completed",
    "finished": "completed",
    "open": "pending",
    "waiting": "blocked",
}


def _statuses(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> Any:
    for status in given:
        if status not in STATUSES:
            raise InvalidRequest(
                "there is no such status",
                field="--status",
                received=status[:80],
                allowed=", ".join(STATUSES),
                hint=did_you_mean(ALSO_CALLED.get(status.lower(), status.lower()), STATUSES),
            )
    return given


@click.command("list")
@click.option(
    "--status",
    multiple=True,
    callback=_statuses,
    metavar="NAME",
    help="Repeat for several; pending: all not yet started.",
)
@click.option("--source", metavar="NAME", help="Only tasks from this source.")
@click.option("--agent-type", metavar="NAME", help="Only tasks for this kind of agent.")
@click.option("--group", metavar="NAME", help="Only tasks of this group.")
@click.option("--limit", type=int, default=20, show_default=True, help="Up to 500.")
@click.option("--cursor", metavar="ID", help="Go on after the page that gave this cursor.")
@database_option
@as_json_option
def list_command(database: str, as_json: bool, status: tuple[str, ...], **where: Any) -> None:
    """List tasks, newest first.

    Those that failed show why, in short. Through a pipe: tab-separated columns under a header,
    nothing cut off.

    \b
    Examples:
      headrace list --status ready --status running
      headrace list --group montage --limit 100 --json
      headrace list --status failed | cut -f1
    """

    page = ask(database, lambda scheduler: _page(scheduler, status=status or None, **where))
    if as_json:
        print_json(shapes.page(page))
        return
    columns = ["id", "status", "priority", "blocked_by", "agent_type", "holder", "summary"]
    rows = [_row(task, page.blocked_by.get(task.id, 0)) for task in page.tasks]
    if any(task.error for task in page.tasks):
        columns.append("error")
        rows = [
            (*row, in_short(task.error or "")) for row, task in zip(rows, page.tasks, strict=True)
        ]
    print_table(columns, rows, shorten=("agent_type", "holder", "summary", "error"))
    if not page.tasks:
        click.echo("No tasks here.", err=True)
    if page.has_more:
        click.echo(f"There are more: --cursor {page.cursor}", err=True)


async def _page(scheduler: Handle, **where: Any) -> Page:
    """The first page that holds anything: a filter of several rare parts may leave some empty."""
    page: Page = await scheduler.list(**where)
    while page.has_more and not page.tasks:
        page = await scheduler.list(**(where | {"cursor": page.cursor}))
    return page


def _row(task: Task, blocked_by: int) -> tuple[object, ...]:
    return (
        task.id,
        task.status,
        f"{task.priority:.1f}",
        blocked_by,
        task.agent_type,
        task.lease.holder if task.lease else "",
        task.summary,
    )


@click.command("get")
@click.argument("task_id", metavar="ID")
@database_option
@as_json_option
def get_command(task_id: str, database: str, as_json: bool) -> None:
    """Show one task with its neighbors in the graph and its attempts.

    \b
    Examples:
      headrace get 0m3x7q2kz9c4a
      headrace get 0m3x7q2kz9c4a --json | jq .result
    """
    found = ask(database, lambda scheduler: scheduler.details(task_id))
    if as_json:
        print_json(shapes.details(found))
    else:
        print_facts(_facts(found))


def _facts(found: TaskDetails) -> dict[str, object]:
    """A task for people: what is absent is left out."""
    facts = shapes.whole(found.task)
    facts |= {
        "lease": _lease(found.task),
        "estimated_duration": round(found.task.estimated_duration, 3),
        "payload": _pretty(facts["payload"]),
        "result": _pretty(facts["result"]),
        "prerequisites": neighbors(other for other in found.prerequisites if other.must_succeed),
        "run_after": neighbors(other for other in found.prerequisites if not other.must_succeed),
        "dependents": neighbors(found.dependents),
        "attempts": "\n".join(map(_attempt, found.attempts)),
    }
    return {name: fact for name, fact in facts.items() if fact is not None and fact != ""}


def _lease(task: Task) -> str | None:
    if task.lease is None:
        return None
    return f"{task.lease.holder} until {shapes.when(task.lease.expires_at)}"


def _attempt(one: Attempt) -> str:
    seconds = one.ended_s - one.started_s
    line = f"{one.attempt}  {one.outcome:<11}  {seconds:.1f} s  {safe(one.holder)}"
    return f"{line}  {safe(in_short(one.error))}" if one.error else line


def _pretty(value: Any) -> str | None:
    return None if value is None else json.dumps(value, indent=2, ensure_ascii=False)


def neighbors(related: Iterable[Related]) -> str:
    """Tasks at the other end of edges, one a line."""
    return "\n".join(f"{other.id}  {other.status:<9}  {safe(other.summary)}" for other in related)


@click.command("status")
@database_option
@as_json_option
def status_command(database: str, as_json: bool) -> None:
    """Show the queue in numbers.

    \b
    Examples:
      headrace status
      headrace status --json | jq .ready
    """
    status: QueueStatus = ask(database, lambda scheduler: scheduler.queue_status())
    shape = shapes.queue_status(status)
    if as_json:
        print_json(shape)
    else:
        leases = "\n".join(
            f"{lease.id}  until {shapes.when(lease.expires_at)}  {lease.holder}"
            for lease in status.leases
        )
        shown = shape | {"leases": leases, "paused": ", ".join(status.paused)}
        print_facts({name: fact for name, fact in shown.items() if fact not in (None, "")})


@click.command("explain")
@click.argument("task_id", metavar="ID")
@database_option
@as_json_option
def explain_command(task_id: str, database: str, as_json: bool) -> None:
    """Say why a task is not running, and what its priority is made of.

    \b
    Example:
      headrace explain 0m3x7q2kz9c4a
    """
    found: Explanation = ask(database, lambda scheduler: scheduler.explain(task_id))
    shape = shapes.explanation(found)
    if as_json:
        print_json(shape)
        return
    parts = shape.pop("components")
    shape |= {"lease": _lease(found.task), "blocked_by": neighbors(found.blocked_by)}
    print_facts({name: fact for name, fact in shape.items() if fact is not None and fact != ""})
    click.echo("components, 0 to 100 each before their weights")
    print_facts({f"  {name}": value for name, value in parts.items()})
