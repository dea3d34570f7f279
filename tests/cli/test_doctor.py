"""`headrace doctor` about the process that has the database, and about what is no database."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Command, Headrace

KEEPS_IT = """
import sys, trio
from scheduler import open_scheduler

async def keep():
    async with open_scheduler("tasks.db"):
        print("open", flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)

trio.run(keep)
"""


@pytest.fixture
def worker(headrace: Headrace) -> Iterator[subprocess.Popen[str]]:
    """A process that has tasks.db open and shares it."""
    process = headrace.start("work", "--agent-type", "x", "--exec", "true", "--json")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["event"] == "opened"
    yield process
    process.send_signal(signal.SIGCONT)


def last_finding(headrace: Headrace, code: int) -> tuple[str, str]:
    found = headrace("doctor", "--json", code=code).json["findings"][-1]
    return found["severity"], found["what"]


@pytest.mark.process
def test_an_owner_that_answers(headrace: Headrace, worker: subprocess.Popen[str]) -> None:
    """Is told of as that."""
    what = f"process {worker.pid} answers, and lets others in"
    assert last_finding(headrace, 0) == ("ok", what)


@pytest.mark.process
def test_an_owner_that_is_stopped(headrace: Headrace, worker: subprocess.Popen[str]) -> None:
    """Is a problem: nothing can be done in the queue until it goes on."""
    worker.send_signal(signal.SIGSTOP)
    what = f"process {worker.pid} has it and has not answered for 2 s"
    assert last_finding(headrace, 1) == ("problem", what)


@pytest.mark.process
def test_an_owner_that_does_not_share(headrace: Headrace) -> None:
    """Is warned of, with what lets others in."""
    with subprocess.Popen(
        [sys.executable, "-c", KEEPS_IT],
        cwd=headrace.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "open\n"
        assert last_finding(headrace, 0) == ("warning", f"process {process.pid} does not share it")
        process.stdin.close()


def test_what_is_no_database(here: Command, headrace: Headrace) -> None:
    """Gets no advice to change it."""
    headrace.write("tasks.db", 'name = "build"\n')
    said = here("doctor", "--json", code=1).json
    assert [found["what"] for found in said["findings"]] == ["it is no SQLite database"]
    assert "chmod" not in said["findings"][0]["advice"]


def test_the_plans_of_statements(here: Command) -> None:
    """Are printed one a paragraph, with what is on purpose; as JSON with every field."""
    here("enqueue", "Build")
    printed = here("doctor", "--query-plans").out
    assert "ok       CHANGES (hot: changes)\n         SEARCH tasks USING INDEX" in printed
    assert "on purpose: counts every task" in printed
    assert "index    tasks_group: PAGES, LASTS, SIZES" in printed
    said = here("doctor", "--query-plans", "--json").json
    (moved,) = [one for one in said["statements"] if one["name"] == "MOVE_TASK"]
    assert moved == {
        "name": "MOVE_TASK",
        "heat": "hot",
        "used_by": "claim, complete, fail, release, cancel",
        "verdict": "ok",
        "intended": "",
        "plan": ["SEARCH tasks USING INTEGER PRIMARY KEY (rowid=?)"],
        "faults": [],
    }
    assert said["problems"] == 0
    assert {"name", "sql", "used_by"} == set(said["indexes"][0])
