"""How `doctor --query-plans` shows the plans of statements: as JSON, and to people."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import click

from scheduler.cli.text import safe

if TYPE_CHECKING:
    from persistence.plan_inspection import PlanReport


def shape_of(report: PlanReport) -> dict[str, Any]:
    """The report without its findings."""
    return {
        "sqlite": sqlite3.sqlite_version,
        "statements": [
            {
                "name": plan.statement.name,
                "heat": plan.statement.heat,
                "used_by": plan.statement.used_by,
                "verdict": plan.verdict,
                "intended": plan.statement.intended,
                "plan": list(plan.steps),
                "faults": list(plan.faults),
            }
            for plan in report.plans
        ],
        "indexes": [
            {"name": index.name, "sql": index.text, "used_by": list(index.used_by)}
            for index in report.indexes
        ],
    }


def print_plans(shape: dict[str, Any]) -> None:
    """A paragraph a statement: verdict, name, heat, who needs it, then SQLite's own words."""
    for statement in shape["statements"]:
        heading = "{verdict:<8} {name} ({heat}: {used_by})".format_map(statement)
        click.echo(safe(heading))
        for step in statement["plan"] or statement["faults"] or ["writes what it is given"]:
            mark = "!" if step in statement["faults"] else " "
            click.echo(f"{'':<7}{mark} {safe(step)}")
        if statement["intended"]:
            click.echo(f"{'':<8} on purpose: {safe(statement['intended'])}")
    for index in shape["indexes"]:
        families = dict.fromkeys(name.partition(".")[0] for name in index["used_by"])
        click.echo(f"index    {safe(index['name'])}: {', '.join(families) or 'no statement'}")
