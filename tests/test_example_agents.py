"""The example of a swarm runs, tells what it promises, and leaves a queue that says the same."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import trio

from scheduler import Status, open_scheduler
from scheduler.domain.views import TaskDetails

SWARM = Path(__file__).parent.parent / "examples" / "agents" / "swarm.py"
PATIENCE = 100.0  # seconds; on an idle machine it takes about nine

pytestmark = pytest.mark.process


def play(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SWARM), "--quick", *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


async def left_in(database: Path) -> dict[str, TaskDetails]:
    """All tasks with their attempts, by the refs that their payloads hold."""
    async with open_scheduler(database) as scheduler:
        page = await scheduler.list(limit=500)
        found = [await scheduler.details(task) for task in page.tasks]
    return {details.task.payload["ref"]: details for details in found}


def refs_after(words: str, output: str) -> list[str]:
    return re.findall(rf"^ *[\d.]+ +\w+ +{words} ([a-z-]+)", output, re.MULTILINE)


def test_the_swarm_does_thirty_tasks(tmp_path: Path) -> None:
    """Once each, with four failed attempts and one that its killed worker left behind."""
    database = tmp_path / "tasks.db"
    done = play("--db", str(database))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^    ok     ", done.stdout, re.MULTILINE)) == 5
    assert "WRONG" not in done.stdout
    assert "it takes 0.8 s; 3 workers who can do anything need 1.1 s" in done.stdout
    assert "35 attempts at 30 tasks" in done.stdout
    assert refs_after("KILLED with -9 at", done.stdout) == ["build-sync"]

    tasks = trio.run(left_in, database)
    assert len(tasks) == 30
    assert {details.task.status for details in tasks.values()} == {Status.COMPLETED}
    assert sorted(refs_after("hands in", done.stdout)) == sorted(tasks)

    attempts = [(ref, one) for ref, details in tasks.items() for one in details.attempts]
    outcomes = Counter(one.outcome for _, one in attempts)
    assert outcomes == {"completed": 30, "failed": 4, "expired": 1}
    failed = [ref for ref, one in attempts if one.outcome == "failed"]
    assert sorted(refs_after("fails", done.stdout)) == sorted(failed)
    assert [(one.holder, one.outcome) for one in tasks["build-sync"].attempts] == [
        ("bella", "expired"),
        ("ben", "completed"),
    ]


def test_the_swarm_leaves_a_queue_of_others_alone(tmp_path: Path) -> None:
    """It claims whatever there is, so it takes none but a new file."""
    database = tmp_path / "tasks.db"
    database.write_bytes(b"")
    done = play("--db", str(database))
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert database.read_bytes() == b""
