"""`schedules` and `stop-schedule`: the work that recurs."""

from __future__ import annotations

import click

from scheduler import shapes
from scheduler.cli.options import as_json_option, database_option
from scheduler.cli.output import print_json, print_table
from scheduler.cli.session import ask
from scheduler.cli.text import safe
from scheduler.domain.views import ScheduleStatus
from scheduler.handle import Handle


@click.command("schedules")
@database_option
@as_json_option
def schedules_command(database: str, as_json: bool) -> None:
    """List the work that recurs, and when it comes next.

    \b
    Examples:
      headrace schedules
      headrace schedules --json | jq -r .schedules[].next_at
    """
    _print(ask(database, lambda scheduler: scheduler.schedules()), as_json)


@click.command("stop-schedule")
@click.argument("name")
@database_option
@as_json_option
def stop_schedule_command(name: str, database: str, as_json: bool) -> None:
    """Make no more tasks of a schedule; those that are made stay.

    A program that sets it up at each start sets it up again: take it out there, too.

    \b
    Examples:
      headrace stop-schedule nightly
    """

    async def question(scheduler: Handle) -> list[ScheduleStatus]:
        await scheduler.stop_schedule(name)
        return await scheduler.schedules()

    _print(ask(database, question), as_json)


def _print(schedules: list[ScheduleStatus], as_json: bool) -> None:
    if as_json:
        print_json({"schedules": [shapes.schedule(each) for each in schedules]})
        return
    columns = ("name", "when", "timezone", "catch_up", "agent_type", "next", "last_task")
    print_table(columns, [_row(each) for each in schedules], shorten=("name",))
    if not schedules:
        click.echo("Nothing recurs.", err=True)


def _row(each: ScheduleStatus) -> tuple[object, ...]:
    return (
        safe(each.name),
        safe(each.when),
        safe(each.timezone),
        each.catch_up,
        safe(each.agent_type),
        shapes.when(each.next_at) or "never",
        each.last_task_id or "",
    )
