"""The official conformance suite, against the fixture on our HTTP."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.report import Report

REVISIONS = ("2025-11-25", "2026-07-28")
PATIENCE = 100  # seconds for one revision
NOT_OURS = {
    "input-required-result-": "headrace asks nothing of its clients",
    "server-sse-polling": "event streams of headrace cannot be resumed",
}
_LINE = re.compile(r"^(?:✓|✗) ([\w.-]+): (\d+) passed, (\d+) failed", re.MULTILINE)
_NUMBER = re.compile(r"Running \w+ suite \((\d+) scenarios\)")


def run_suite(suite: list[str], report: Report) -> None:
    """Every scenario of both revisions."""
    with _fixture() as url:
        for revision in REVISIONS:
            _run_revision([*suite, "server", "--url", url], revision, report)


def _run_revision(command: list[str], revision: str, report: Report) -> None:
    options = ["--suite", "all", "--spec-version", revision, "--timeout", "15000"]
    try:
        done = subprocess.run(
            [*command, *options],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        report.add(f"{revision} as a whole", "failed", f"took over {PATIENCE} s")
        return
    lines = _LINE.findall(done.stdout)
    for scenario, passed, failed in lines:
        _add(f"{revision} {scenario}", scenario, int(passed), int(failed), report)
    announced = _NUMBER.search(done.stdout)
    if announced is None or int(announced[1]) != len(lines):
        detail = f"{len(lines)} scenarios ended; {(done.stderr or done.stdout)[-300:]!r}"
        report.add(f"{revision} as a whole", "failed", detail)


def _add(what: str, scenario: str, passed: int, failed: int, report: Report) -> None:
    reason = next((why for name, why in NOT_OURS.items() if scenario.startswith(name)), None)
    if reason is not None:
        report.add(what, "skipped", reason)
    elif failed or not passed:
        report.add(what, "failed", f"{failed} of {passed + failed} checks")
    else:
        report.add(what, "passed", f"{passed} checks")


@contextmanager
def _fixture() -> Iterator[str]:
    """The fixture's address, while it runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.conformance.serve_fixture"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate(timeout=10)  # which closes its standard input
