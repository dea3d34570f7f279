"""Lets what others wrote test headrace: the official conformance suite and MCP's inspector.

    python -m tests.conformance.run [--folder build/conformance] [--skip-what-cannot-run]

Exits with 1 if anything failed, with 2 if it could not be run here, unless that is allowed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tests.conformance.inspector import run_inspector
from tests.conformance.programs import CannotRun, install
from tests.conformance.report import Report
from tests.conformance.suite import run_suite


def main() -> int:
    """Run everything; returns the exit code."""
    options = argparse.ArgumentParser(description="Run what others wrote to test MCP servers.")
    options.add_argument("--folder", type=Path, default=Path("build/conformance"))
    options.add_argument("--skip-what-cannot-run", action="store_true")
    given = options.parse_args()
    report = Report()
    _run(given.folder.absolute(), report)
    report.close()
    if report.counts["failed"]:
        return 1
    return 2 if report.could_not_run and not given.skip_what_cannot_run else 0


def _run(folder: Path, report: Report) -> None:
    try:
        programs = install(folder)
    except CannotRun as error:
        report.miss("the suite and the inspector", str(error))
        return
    run_suite(programs.suite, report)
    try:
        run_inspector(programs.inspector, report)
    except subprocess.TimeoutExpired as error:
        report.add("inspector", "failed", f"took over {error.timeout} s")


if __name__ == "__main__":
    sys.exit(main())
