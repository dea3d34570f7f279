"""`every`, `schedules` and `stop-schedule`: the work that recurs."""

from __future__ import annotations

from typing import Any

import click

from scheduler import shapes
from scheduler.cli.options import as_json_option, database_option, given, seconds, task_fields
from scheduler.cli.output import print_json, print_table
from scheduler.cli.session import ask
from scheduler.cli.text import safe
from scheduler.domain.views import ScheduleStatus
from scheduler.handle import Handle


@click.command("every")
@click.argument("when")
@click.argument("description")
@click.option("--name", metavar="NAME", help="Its name; default: made of the summary and WHEN.")
@click.option("--timezone", metavar="ZONE", help="Of a cron expression; default: UTC.")
@click.option(
    "--catch-up",
    type=click.Choice(["skip", "once", "all"]),
    help="What becomes of moments that were missed; default: skip.",
)
@click.option(
    "--deadline-after", callback=seconds, metavar="SPAN", help="From its making to its deadline."
)
@click.option("--source", metavar="NAME", help="Who asks: human (the default), agent_planner, ….")
@task_fields
@database_option
@as_json_option
def every_command(when: str, description: str, database: str, as_json: bool, **fields: Any) -> None:
    """Make such a task again and again. Makes the database if it is not there.

    WHEN is an interval (15m, 1h30m, 2d) or a cron expression of five fields. The same name again
    takes the place of what had it. Tasks are made while some process has the database open.

    \b
    Examples:
      headrace every 15m "Sweep the cache" --agent-type janitor
      headrace every "0 6 * * MON-FRI" "Build it all" --name nightly --timezone Europe/Berlin
    """
    asked = given(fields)

    async def question(scheduler: Handle) -> list[ScheduleStatus]:
        name = await scheduler.every(when, description, **asked)
        return [each for each in await scheduler.schedules() if each.name == name]

    _print(ask(database, question, create=True), as_json)


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
