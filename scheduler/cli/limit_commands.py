"""`limit` and `limits`: how much may run at once or start in a time, and the shares of groups."""

from __future__ import annotations

from typing import Any

import click

from scheduler import shapes
from scheduler.cli.options import as_json_option, database_option, seconds
from scheduler.cli.output import print_json, print_table
from scheduler.cli.session import ask
from scheduler.cli.text import safe
from scheduler.domain.errors import InvalidRequest
from scheduler.domain.views import LimitStatus
from scheduler.handle import Handle


@click.command("limit")
@click.option("--agent-type", metavar="NAME", help="For tasks of this agent_type.")
@click.option("--limit-key", metavar="NAME", help="For tasks with this limit key.")
@click.option("--concurrency", type=int, metavar="N", help="How many may run at once.")
@click.option("--starts", type=int, metavar="N", help="How many may start in the time of --per.")
@click.option("--per", callback=seconds, metavar="SPAN", help="1, 1m, 2h: the time for --starts.")
@click.option("--burst", type=int, metavar="N", help="How many at once (default: as --starts).")
@click.option("--group", metavar="NAME", help="For the share of a group, with --weight.")
@click.option("--weight", type=float, metavar="X", help="Its share; other groups have 1.")
@click.option("--lift", is_flag=True, help="Take the limit or the weight away.")
@database_option
@as_json_option
def limit_command(database: str, as_json: bool, lift: bool, **asked: Any) -> None:
    """Limit what runs, for all workers, or set the share of a group.

    \b
    Examples:
      headrace limit --agent-type builder --concurrency 4
      headrace limit --limit-key some-api --starts 60 --per 1m
      headrace limit --group nightly --weight 0.25
      headrace limit --limit-key some-api --lift
    """
    given = {name: value for name, value in asked.items() if value is not None}
    numbers = given.keys() - {"agent_type", "limit_key", "group"}
    if lift == bool(numbers):
        raise InvalidRequest(
            "a limit needs a number, or --lift alone",
            field="--lift" if lift else "--concurrency",
            allowed="--concurrency, --starts with --per, --weight, or --lift",
        )
    others = given.keys() - {"group", "weight"}
    if "group" in given or "weight" in given:
        if others or "group" not in given:
            raise InvalidRequest(
                "--group goes with --weight, and with nothing else",
                field="--group",
                allowed="--group NAME --weight X, or --group NAME --lift",
                hint="Limit an --agent-type or a --limit-key in a command of its own.",
            )
        group, weight = given["group"], given.get("weight")

    async def question(scheduler: Handle) -> list[LimitStatus]:
        if "group" in given:
            await scheduler.set_share(group, weight)
        else:
            await scheduler.set_limit(**given)
        return await scheduler.limits()

    _print(ask(database, question), as_json)


@click.command("limits")
@database_option
@as_json_option
def limits_command(database: str, as_json: bool) -> None:
    """List limits and shares, and how many tasks run under them.

    \b
    Examples:
      headrace limits
      headrace limits --json | jq .limits[].running
    """
    _print(ask(database, lambda scheduler: scheduler.limits()), as_json)


def _print(limits: list[LimitStatus], as_json: bool) -> None:
    if as_json:
        print_json({"limits": [shapes.limit(limit) for limit in limits]})
        return
    columns = ("for", "name", "at_once", "rate", "weight", "running", "next_start")
    print_table(columns, [_row(limit) for limit in limits], shorten=("name",))
    if not limits:
        click.echo("No limits are set.", err=True)


def _row(limit: LimitStatus) -> tuple[object, ...]:
    rate = "" if limit.starts is None else f"{limit.starts} in {limit.per:g} s"
    return (
        limit.kind,
        safe(limit.name),
        _or_blank(limit.concurrency),
        rate if limit.burst is None else f"{rate}, {limit.burst} at once",
        _or_blank(limit.weight),
        "" if limit.kind == "group" else limit.running,
        shapes.when(limit.opens_at) or "",
    )


def _or_blank(value: object) -> object:
    return "" if value is None else value
