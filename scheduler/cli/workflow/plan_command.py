"""`plan`: how tasks can run, from the database or straight from a workflow file."""

from __future__ import annotations

import time
from pathlib import Path

import click

from scheduler import shapes
from scheduler.cli.looking import any_task, known
from scheduler.cli.nearest import did_you_mean
from scheduler.cli.options import as_json_option, database_option, split_ids
from scheduler.cli.output import print_facts, print_json, print_table
from scheduler.cli.session import ask
from scheduler.cli.workflow.workflow_file import is_workflow
from scheduler.domain.errors import InvalidRequest
from scheduler.domain.views import Plan
from scheduler.handle import Handle


@click.command("plan")
@click.argument("tasks", nargs=-1, metavar="[WORKFLOW | ID...]")
@click.option("--group", metavar="NAME", help="The unfinished tasks of a group.")
@click.option(
    "--workers", type=click.IntRange(1, 1_000_000), metavar="N", help="Also simulate a run."
)
@database_option
@as_json_option
def plan_command(
    tasks: tuple[str, ...], group: str | None, workers: int | None, database: str, as_json: bool
) -> None:
    """Show the batches in which tasks can run, and the critical path.

    WORKFLOW is a .jsonl or .toml file and needs no database; IDs and --group are unfinished
    tasks of the database; with neither, all of them. With --workers the makespan that the
    scheduler's own order yields stands beside the bound that no order can beat:
    max(critical path, total work / workers).

    \b
    Examples:
      headrace plan examples/build.toml --workers 4
      headrace plan --group montage --json
      headrace plan 0m3x7q2kz9c4a 0m3x7q2kz8b1d
    """
    plan = _plan(split_ids(tasks), group, workers, database)
    if as_json:
        print_json(shapes.plan(plan))
    else:
        _print_plan(plan)


def _plan(tasks: list[str], group: str | None, workers: int | None, database: str) -> Plan:
    if tasks and group is not None:
        raise InvalidRequest("tasks and --group", field="--group", allowed="one of the two")
    if any(is_workflow(task) for task in tasks):
        return _plan_of_file(tasks, workers)

    async def question(scheduler: Handle) -> Plan:
        plan = await scheduler.execution_plan(tasks or None, group=group, workers=workers)
        if group is not None and not plan.batches:
            await _must_exist(group, scheduler)
        return plan

    return ask(database, question)


async def _must_exist(group: str, scheduler: Handle) -> None:
    """Refuse a group that no task has; one whose tasks have all finished has an empty plan."""
    if await any_task(scheduler, group=group):
        return
    raise InvalidRequest(
        "no task has this group",
        field="--group",
        received=group[:200],
        allowed="the group of a task on record",
        hint=did_you_mean(group, await known(scheduler, "group"))
        or "`headrace list --json` shows the group of each task.",
    )


def _plan_of_file(names: list[str], workers: int | None) -> Plan:
    from scheduler.cli.workflow.workflow import read_workflow
    from scheduler.cli.workflow.workflow_plan import plan_workflow

    if len(names) > 1:
        raise InvalidRequest(
            "a workflow file and more",
            field="WORKFLOW",
            received=" ".join(names)[:200],
            allowed="one workflow file, or ids",
        )
    return plan_workflow(read_workflow(Path(names[0])), workers, time.time())


def _print_plan(plan: Plan) -> None:
    print_table(
        ("batch", "tasks", "ids"),
        [(number, len(batch), " ".join(batch)) for number, batch in enumerate(plan.batches, 1)],
    )
    facts: dict[str, object] = {
        "tasks": sum(map(len, plan.batches)),
        "total work": f"{plan.total_seconds:.1f} s",
        "max parallelism": plan.max_parallelism,
        "critical path": f"{plan.critical_path_seconds:.1f} s: {' → '.join(plan.critical_path)}",
    }
    if plan.waits_for:
        facts["waits for"] = f"{len(plan.waits_for)} tasks also wait for tasks outside the plan"
    if plan.makespan_seconds is not None and plan.lower_bound_seconds is not None:
        facts[f"makespan with {plan.workers} workers"] = against_bound(
            plan.makespan_seconds, plan.lower_bound_seconds
        )
    print_facts(facts)


def against_bound(makespan: float, bound: float) -> str:
    """A makespan beside the length that no order can beat.

    >>> against_bound(11.0, 10.0)
    '11.0 s, 10.0 % over the lower bound of 10.0 s'
    """
    if bound < 0.1:  # the comparison would be noise
        return f"{makespan:.1f} s"
    over = 100 * (makespan / bound - 1)
    return f"{makespan:.1f} s, {over:.1f} % over the lower bound of {bound:.1f} s"
