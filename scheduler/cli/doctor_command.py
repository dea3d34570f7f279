"""`doctor`: read-only checks of the database, and what to do about what they find."""

from __future__ import annotations

import click

from scheduler.cli import exit_codes
from scheduler.cli.options import as_json_option, database_option
from scheduler.cli.output import print_json
from scheduler.cli.session import must_exist
from scheduler.cli.text import safe, safe_lines


@click.command("doctor")
@database_option
@as_json_option
def doctor_command(database: str, as_json: bool) -> None:
    """Check the database file without changing it, and say what to do.

    Exits with 1 when there is a problem; warnings are none.

    \b
    Examples:
      headrace doctor
      headrace doctor --db build/tasks.db --json
    """
    from persistence.inspection import inspect

    must_exist(database)
    findings = inspect(database)
    problems = sum(finding.severity == "problem" for finding in findings)
    if as_json:
        facts = [
            {"severity": finding.severity, "what": finding.what, "advice": finding.advice}
            for finding in findings
        ]
        print_json({"findings": facts, "problems": problems})
    else:
        for finding in findings:
            for number, line in enumerate(safe_lines(finding.what)):
                click.echo(f"{'' if number else finding.severity:<8} {line}")
            if finding.advice:
                click.echo(f"{'':<8} {safe(finding.advice)}")
    click.get_current_context().exit(exit_codes.NEGATIVE if problems else exit_codes.OK)
