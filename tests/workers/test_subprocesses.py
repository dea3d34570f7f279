"""Handlers that are commands: what they are told, how they end, and that nothing outlives them."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from scheduler import Scheduler, Status, TaskSpec
from scheduler.workers.processes.commands import TAIL_BYTES

from .conftest import until, work_off, working

pytestmark = pytest.mark.process

ABOUT = """
import json, os, sys
told = json.load(sys.stdin)
about = {name: value for name, value in os.environ.items() if "HEADRACE" in name}
print(json.dumps({"told": told, "about": about}))
"""
DEAF = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    open(sys.argv[1], "w").write(str(os.getpid()))
while True:
    time.sleep(0.05)
"""


def python(code: str, *words: str) -> list[str]:
    return [sys.executable, "-c", code, *words]


def lives(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    return False


async def test_what_it_is_told(scheduler: Scheduler) -> None:
    """The task on stdin, short facts in the environment, never the token."""
    scheduler.handler("shell", run=python(ABOUT))
    first = TaskSpec("first", agent_type="shell", payload={"n": "é"}, group="g")
    made = await scheduler.enqueue_many(
        [first, TaskSpec("second", agent_type="shell", prerequisites=[first])]
    )
    await scheduler.run_workers(until_idle=True)
    one, two = [(await scheduler.get(task)).result for task in made]
    assert one["told"]["task"]["payload"] == {"n": "é"}
    assert list(two["told"]["prerequisite_results"]) == [made[0].id]
    assert "lease_token" not in json.dumps(two)
    assert one["about"] == {
        "HEADRACE_TASK_ID": made[0].id,
        "HEADRACE_ATTEMPT": "1",
        "HEADRACE_AGENT_TYPE": "shell",
        "HEADRACE_GROUP": "g",
    }


async def test_text_is_a_result_too(scheduler: Scheduler) -> None:
    scheduler.handler("general", run=["echo", "no JSON"])
    (task,) = await work_off(scheduler, "work")
    assert task.result == {"stdout": "no JSON\n", "exit_code": 0}


@pytest.mark.parametrize(
    ("line", "told", "attempts"),
    [
        ("echo why >&2; exit 3", "exit code 3\nwhy", 2),
        ("exit 65", "exit code 65 (EX_DATAERR)", 1),
        ("kill -KILL $$", "killed by SIGKILL", 2),
    ],
)
async def test_how_it_fails(scheduler: Scheduler, line: str, told: str, attempts: int) -> None:
    """With what it said last; some exit codes say that another attempt would not help."""
    scheduler.handler("general", run=["sh", "-c", line])
    (task,) = await work_off(scheduler, "work", max_attempts=2)
    assert (task.status, task.error, task.attempt) == (Status.FAILED, told, attempts)


async def test_a_command_that_has_gone(scheduler: Scheduler, tmp_path: Path) -> None:
    """It was there when it was registered."""
    command = tmp_path / "job"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o700)
    scheduler.handler("general", run=[str(command)])
    command.unlink()
    (task,) = await work_off(scheduler, "work", max_attempts=1)
    assert (task.error or "").endswith("cannot be started: No such file or directory")


async def test_a_flood_of_output(scheduler: Scheduler) -> None:
    """100 MB: the end is kept, the rest never is in memory."""
    flood = "import sys\nfor _ in range(100): sys.stdout.write('x' * 999_999 + '\\n')\nprint('end')"
    scheduler.handler("general", run=python(flood))
    (task,) = await work_off(scheduler, "work")
    stdout = task.result["stdout"]
    assert "99,983,620 bytes left out" in stdout
    assert stdout.endswith("end\n")
    assert len(stdout) < TAIL_BYTES + 100


async def test_a_family_that_ignores_sigterm(scheduler: Scheduler, tmp_path: Path) -> None:
    """A cancelled task ends all of it: SIGTERM at once, SIGKILL after the grace."""
    pid_file = tmp_path / "pid"
    scheduler.handler("general", run=python(DEAF, str(pid_file)), grace=0.3)
    task = await scheduler.enqueue("work")
    async with working(scheduler):
        await until(lambda: pid_file.exists() and pid_file.read_text())
        child = int(pid_file.read_text())
        assert lives(child)
        began = trio.current_time()
        await scheduler.cancel(task)
        await until(lambda: not lives(child))
        assert 0.3 <= trio.current_time() - began < 1.3
    assert (await scheduler.get(task)).status is Status.CANCELLED


async def test_sigterm_lets_it_end_in_order(scheduler: Scheduler, tmp_path: Path) -> None:
    """When the workers end, before its grace has passed; the task goes back."""
    ready, bye = tmp_path / "ready", tmp_path / "bye"
    line = f"trap 'echo bye > {bye}; exit 0' TERM; echo > {ready}; while :; do sleep 0.02; done"
    scheduler.handler("general", run=["sh", "-c", line])
    task = await scheduler.enqueue("work")
    async with working(scheduler):
        await until(ready.exists)
    assert bye.exists()
    assert (await scheduler.get(task)).status is Status.READY


async def test_it_times_out(scheduler: Scheduler) -> None:
    scheduler.handler("general", run=["sleep", "60"], timeout=0.2)
    (task,) = await work_off(scheduler, "work", max_attempts=1)
    assert (task.error or "").endswith("'sleep' for 'general' timed out after 0.2 s")
