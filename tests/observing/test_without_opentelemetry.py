"""headrace needs no OpenTelemetry, and does not import what the program has not."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIFE = """
import trio
from scheduler import open_scheduler
from scheduler.telemetry.spans import begin

async def main():
    async with open_scheduler() as scheduler:
        kinds = []
        with scheduler.on_event(lambda event: kinds.append(event.kind)):
            await scheduler.enqueue("Build")
            claim = (await scheduler.claim("w"))[0]
            run = begin(claim.task)
            with run.current():
                run.end("failed", "no", "ValueError")
            await scheduler.complete(claim)
        assert claim.task.traceparent is None
        print([kind for kind in kinds if kind != "committed"])

trio.run(main)
"""
HEARD = "['enqueued', 'ready', 'claimed', 'completed']"


def _run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()


@pytest.mark.process
def test_it_works_where_opentelemetry_cannot_be_imported() -> None:
    """A None in sys.modules makes every import of it fail."""
    blocked = "import sys\nsys.modules['opentelemetry'] = None\n"
    assert _run(blocked + LIFE) == HEARD


@pytest.mark.process
def test_it_is_not_imported_for_a_program_without_it() -> None:
    """Though it is installed here."""
    asked = "import sys\nprint([m for m in sys.modules if m.startswith('opentelemetry')])"
    assert _run(LIFE + asked) == f"{HEARD}\n[]"
