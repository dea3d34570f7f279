"""`doctor`: read-only checks of the database, and what to do about what they find."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scheduler.cli import exit_codes
from scheduler.cli.doctor_plans import print_plans, shape_of
from scheduler.cli.options import as_json_option, database_option
from scheduler.cli.output import print_json
from scheduler.cli.session import must_exist
from scheduler.cli.text import safe, safe_lines

if TYPE_CHECKING:
    from persistence.inspection import Finding

HEADER = b"SQLite format 3\0"


@click.command("doctor")
@click.option(
    "--query-plans",
    is_flag=True,
    help="Instead show how SQLite carries out every statement on this file.",
)
@database_option
@as_json_option
def doctor_command(database: str, as_json: bool, query_plans: bool) -> None:
    """Check the database file without changing it, and say what to do.

    Exits with 1 when there is a problem; warnings are none.

    \b
    Examples:
      headrace doctor
      headrace doctor --db build/tasks.db --json
      headrace doctor --query-plans
    """
    must_exist(database)
    findings, more = _plans(database) if query_plans else (_findings(database), {})
    problems = sum(finding.severity == "problem" for finding in findings)
    if as_json:
        facts = [
            {"severity": finding.severity, "what": finding.what, "advice": finding.advice}
            for finding in findings
        ]
        print_json({"findings": facts, "problems": problems, **more})
    else:
        if more:
            print_plans(more)
        for finding in findings:
            for number, line in enumerate(safe_lines(finding.what)):
                click.echo(f"{'' if number else finding.severity:<8} {line}")
            if finding.advice:
                click.echo(f"{'':<8} {safe(finding.advice)}")
    click.get_current_context().exit(exit_codes.NEGATIVE if problems else exit_codes.OK)


def _plans(database: str) -> tuple[list[Finding], dict[str, Any]]:
    """What is wrong with the plans, and all of them."""
    from persistence.plan_inspection import inspect_plans

    if _is_something_else(database):
        return _findings(database), {}
    report = inspect_plans(database)
    return report.findings, shape_of(report)


def _findings(database: str) -> list[Finding]:
    """Of a file that is something else, only that: whoever named it should leave it as it is."""
    from persistence.inspection import Finding, inspect
    from scheduler.cli.doctor_owner import owner_findings

    if _is_something_else(database):
        advice = "Check the name; if it was a database, restore a backup."
        return [Finding("problem", "it is no SQLite database", advice)]
    return inspect(database) + owner_findings(database)


def _is_something_else(database: str) -> bool:
    with suppress(OSError), Path(database).open("rb") as file:
        start = file.read(len(HEADER))
        return bool(start) and start != HEADER
    return False
