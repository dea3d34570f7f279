"""`enqueue`, `cancel`, `retry`, `update`, `add-prerequisites`, `pause` and `resume`."""

from __future__ import annotations

import sys
from typing import Any

import click

from scheduler import shapes
from scheduler.cli.looking import any_task, known
from scheduler.cli.options import as_json_option, database_option, given, split_ids, task_fields
from scheduler.cli.output import print_json
from scheduler.cli.session import ask
from scheduler.cli.text import safe
from scheduler.domain.task import Task
from scheduler.domain.views import Cancellation
from scheduler.handle import Handle


@click.command("enqueue")
@click.argument("description")
@click.option(
    "--prerequisite",
    "prerequisites",
    multiple=True,
    metavar="ID",
    help="A task that must succeed first. Repeat for several, or use commas.",
)
@click.option(
    "--run-after",
    multiple=True,
    metavar="ID",
    help="A task that must only end first, however. Repeat for several, or use commas.",
)
@click.option("--source", metavar="NAME", help="Who asks: human (the default), agent_planner, ….")
@click.option("--key", metavar="TEXT", help="Idempotency: the same key makes one task only.")
@click.option("--parent-id", metavar="ID", help="The task that this one came from.")
@task_fields
@database_option
@as_json_option
def enqueue_command(
    description: str,
    prerequisites: tuple[str, ...],
    run_after: tuple[str, ...],
    database: str,
    as_json: bool,
    **fields: Any,
) -> None:
    """Put one task into the queue. Makes the database if it is not there.

    Through a pipe it prints the new task's id alone.

    \b
    Examples:
      headrace enqueue "Write the release notes" --base-priority 8
      build=$(headrace enqueue "Build the wheel")
      headrace enqueue "Publish it" --prerequisite $build --deadline +2h
    """
    asked = given(fields)
    asked |= {"prerequisites": split_ids(prerequisites), "run_after": split_ids(run_after)}
    task: Task = ask(
        database, lambda scheduler: scheduler.enqueue(description, **asked), create=True
    )
    if as_json:
        print_json(shapes.enqueued(task))
    elif sys.stdout.isatty():
        verb = "exists already" if task.existing else "enqueued"
        click.echo(f"{task.id} {verb}: {task.status}, priority {task.priority:.1f}")
    else:
        click.echo(task.id)


@click.command("cancel")
@click.argument("task_id", metavar="ID")
@click.option("--reason", metavar="TEXT", help="Kept with the task.")
@click.option("--dry-run", is_flag=True, help="Only say which tasks would go.")
@database_option
@as_json_option
def cancel_command(
    task_id: str, reason: str | None, dry_run: bool, database: str, as_json: bool
) -> None:
    """Cancel a task and every task that cannot start without it.

    \b
    Examples:
      headrace cancel 0m3x7q2kz9c4a --dry-run
      headrace cancel 0m3x7q2kz9c4a --reason "superseded"
    """
    done: Cancellation = ask(
        database, lambda scheduler: scheduler.cancel(task_id, reason, dry_run=dry_run)
    )
    if as_json:
        print_json(shapes.cancellation(done))
        return
    verb = "would be cancelled" if dry_run else "cancelled"
    for cancelled in (done.cancelled_task_id, *done.cascaded_task_ids):
        click.echo(f"{cancelled} {verb}")


@click.command("retry")
@click.argument("task_id", metavar="ID")
@click.option("--cascade", is_flag=True, help="Also the tasks that fell with it.")
@database_option
@as_json_option
def retry_command(task_id: str, cascade: bool, database: str, as_json: bool) -> None:
    """Re-open a failed or cancelled task with fresh attempts.

    \b
    Example:
      headrace retry 0m3x7q2kz9c4a --cascade
    """
    tasks: list[Task] = ask(database, lambda scheduler: scheduler.retry(task_id, cascade=cascade))
    if as_json:
        print_json(shapes.retried(tasks))
        return
    for task in tasks:
        click.echo(f"{task.id} {task.status}")


@click.command("update")
@click.argument("task_id", metavar="ID")
@click.option("--description", metavar="TEXT", help="What is to be done.")
@task_fields
@click.option(
    "--clear",
    multiple=True,
    metavar="FIELD",
    help="Set a field to nothing: deadline, not_before, payload, group, timeout, limit_key.",
)
@database_option
@as_json_option
def update_command(
    task_id: str, clear: tuple[str, ...], database: str, as_json: bool, **fields: Any
) -> None:
    """Change fields of a task that has not finished.

    \b
    Examples:
      headrace update 0m3x7q2kz9c4a --base-priority 9 --deadline +30m
      headrace update 0m3x7q2kz9c4a --clear deadline
    """
    changes = given(fields) | {field.replace("-", "_"): None for field in clear}
    task: Task = ask(database, lambda scheduler: scheduler.update(task_id, **changes))
    _print_task(task, as_json)


@click.command("add-prerequisites")
@click.argument("task_id", metavar="ID")
@click.argument("prerequisites", nargs=-1, metavar="[PREREQUISITE_ID]...")
@click.option("--run-after", multiple=True, metavar="ID", help="A task that must only end first.")
@database_option
@as_json_option
def add_prerequisites_command(
    task_id: str,
    prerequisites: tuple[str, ...],
    run_after: tuple[str, ...],
    database: str,
    as_json: bool,
) -> None:
    """Let a task that is not running yet wait for more tasks.

    \b
    Example:
      headrace add-prerequisites 0m3x7q2kz9c4a 0m3x7q2kz8b1d 0m3x7q2kz8b1e
    """
    task: Task = ask(
        database,
        lambda scheduler: scheduler.add_prerequisites(
            task_id, split_ids(prerequisites), run_after=split_ids(run_after)
        ),
    )
    _print_task(task, as_json)


def _print_task(task: Task, as_json: bool) -> None:
    if as_json:
        print_json(shapes.whole(task))
    else:
        click.echo(f"{task.id} {task.status}, priority {task.priority:.1f}")


@click.command("pause")
@click.argument("agent_type")
@click.option("--drain", is_flag=True, help="Wait until nothing of it runs any more.")
@database_option
@as_json_option
def pause_command(agent_type: str, drain: bool, database: str, as_json: bool) -> None:
    """Hand out no more tasks of an agent_type, until it is resumed.

    \b
    Examples:
      headrace pause builder
      headrace pause builder --drain
    """

    async def question(scheduler: Handle) -> list[str] | None:
        await (scheduler.drain if drain else scheduler.pause)(agent_type)
        if await any_task(scheduler, agent_type=agent_type):
            return None
        return await known(scheduler, "agent_type")

    others = ask(database, question)
    _print_lane(agent_type, True, as_json)
    if others is not None:
        names = ", ".join(map(safe, others)) or "none"
        click.echo(f"note: no task has this agent_type so far; known: {names}", err=True)


@click.command("resume")
@click.argument("agent_type")
@database_option
@as_json_option
def resume_command(agent_type: str, database: str, as_json: bool) -> None:
    """Hand out tasks of a paused agent_type again.

    \b
    Example:
      headrace resume builder
    """
    ask(database, lambda scheduler: scheduler.resume(agent_type))
    _print_lane(agent_type, False, as_json)


def _print_lane(agent_type: str, paused: bool, as_json: bool) -> None:
    if as_json:
        print_json({"agent_type": agent_type, "paused": paused})
    else:
        click.echo(f"{agent_type} {'paused' if paused else 'resumed'}")
