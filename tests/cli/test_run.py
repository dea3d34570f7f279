"""What a user types to run a workflow, and what comes of it: the end, failures, resuming."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Headrace

pytestmark = pytest.mark.process

EXAMPLES = Path(__file__).parents[2] / "examples"
MONTAGE = str(EXAMPLES / "workflows" / "montage-chameleon-2mass-01d-001.jsonl")
MONTAGE_TASKS = 103


def python(code: str) -> list[str]:
    """A command that runs this code."""
    return [sys.executable, "-c", code]


def workflow(headrace: Headrace, *tasks: dict[str, Any], name: str = "w.jsonl") -> str:
    """Write these tasks to a file; returns its name."""
    return headrace.write(name, "".join(json.dumps(task) + "\n" for task in tasks))


def read_until(process: subprocess.Popen[str], event: str, times: int) -> list[dict[str, Any]]:
    """The events of a `run --json` up to the given one."""
    assert process.stdout is not None
    events = []
    for line in process.stdout:
        events.append(json.loads(line))
        times -= events[-1]["event"] == event
        if not times:
            break
    return events


def refs(events: list[dict[str, Any]], kind: str) -> list[str]:
    return [event["ref"] for event in events if event["event"] == kind]


def test_montage_to_its_end(headrace: Headrace) -> None:
    """A real workflow in plain lines: where it is kept, few lines of progress, a summary."""
    said = headrace("run", MONTAGE, "--speed", "100", "--workers", "16")
    first, *rest = said.lines
    assert f"{MONTAGE_TASKS} tasks, 16 workers, database {headrace.folder}/tasks.db" in first
    assert "resuming" not in said.out
    assert len([line for line in rest if " % " in line]) <= 21
    assert f"{MONTAGE_TASKS} tasks  {MONTAGE_TASKS} completed" in said.out
    assert "over the lower bound of " in said.out

    again = headrace("run", MONTAGE, "--speed", "100", "--workers", "16")
    assert f"resuming: {MONTAGE_TASKS} of {MONTAGE_TASKS} done before" in again.out


def test_killed_and_resumed(headrace: Headrace) -> None:
    """After kill -9 what was acknowledged is not done again, and the rest is done."""
    run = ["run", MONTAGE, "--speed", "20", "--workers", "8", "--json"]
    process = headrace.start(*run)
    events = read_until(process, "completed", 30)
    process.send_signal(signal.SIGKILL)
    assert process.stdout is not None
    events += [json.loads(line) for line in process.stdout if line.endswith("\n")]
    done = refs(events, "completed")

    events = headrace(*run).events
    assert events[0]["resumed"]
    assert events[0]["done_before"] >= len(done)
    assert not set(done) & set(refs(events, "started"))
    assert events[-1]["completed"] == MONTAGE_TASKS


def test_interrupted_and_resumed(headrace: Headrace) -> None:
    """Ctrl-C ends running commands with all their children, and gives their tasks back."""
    slow = ["sh", "-c", "echo $$ >> pids; sleep 60 & echo $! >> pids; wait"]
    file = workflow(
        headrace,
        {"ref": "quick", "run": "true"},
        {"ref": "slow", "run": slow, "prerequisites": ["quick"]},
    )
    process = headrace.start("run", file, "--json")
    read_until(process, "started", 2)
    pids = headrace.folder / "pids"
    while not pids.exists() or len(pids.read_text().split()) < 2:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")
    events = [json.loads(line) for line in out.splitlines()]
    assert refs(events, "released") == ["slow"]
    assert (events[-1]["completed"], events[-1]["interrupted"]) == (1, True)
    for pid in pids.read_text().split():
        assert not Path(f"/proc/{pid}/cmdline").exists() or _ended(pid)

    headrace.write("w.jsonl", (headrace.folder / "w.jsonl").read_text().replace("sleep 60", ":"))
    said = headrace("run", file)
    assert "resuming: 1 of 2 done before" in said.out


def _ended(pid: str) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def test_interrupted_in_plain_lines(headrace: Headrace) -> None:
    """The last line says how to go on."""
    file = workflow(headrace, {"ref": "a", "runtime_s": 60}, {"ref": "b", "run": "true"})
    process = headrace.start("run", file, "--workers", "2")
    assert process.stdout is not None
    assert any("1 of 2 done" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert out.splitlines()[-1] == ("interrupted: 1 of 2 done; run the same command again to go on")
    assert process.returncode == 130


def test_failures(headrace: Headrace) -> None:
    """Every way to fail is told with the end of the output; dependents fall; exit code 1."""
    file = workflow(
        headrace,
        {"ref": "code", "run": python("import sys; print('why', file=sys.stderr); sys.exit(3)")},
        {"ref": "signal", "run": ["sh", "-c", "kill -9 $$"]},
        {"ref": "timeout", "run": "sleep 60", "timeout": 0.1},
        {"ref": "replayed timeout", "runtime_s": 60, "timeout": 0.1},
        {"ref": "missing", "run": "no-such-command --at-all"},
        {"ref": "child", "run": "true", "prerequisites": ["code"]},
        {"ref": "after", "run": "true", "run_after": ["code", "child"]},
        {"ref": "twice", "run": ["sh", "-c", "test $HEADRACE_ATTEMPT = 2"], "max_attempts": 2},
    )
    events = headrace("run", file, "--workers", "4", "--json", code=1).events
    errors = {event["ref"]: event["error"] for event in events if event["event"] == "failed"}
    assert errors == {
        "code": "exit code 3\nwhy",
        "signal": "killed by SIGKILL",
        "timeout": "timed out after 0.1 s",
        "replayed timeout": "timed out after 0.1 s",
        "missing": "no-such-command cannot be started: No such file or directory",
    }
    assert refs(events, "retrying") == ["twice"]
    closed = events[-1]
    assert (closed["completed"], closed["failed"], closed["cancelled"]) == (2, 5, 1)
    assert {failure["ref"] for failure in closed["failures"]} == set(errors)

    said = headrace("run", file, code=1)
    root = next(failure for failure in closed["failures"] if failure["ref"] == "code")
    line = f"headrace retry {root['task_id']} --cascade --db {headrace.folder}/tasks.db"
    assert f"failed code ({root['task_id']}): exit code 3\n    why\n  again: {line}" in said.out
    assert f"{line}  # then the same run again\n" in said.out

    headrace(*line.split()[1:])
    retried = headrace("run", file, "--json", code=1).events
    assert refs(retried, "started") == ["code"]


def test_an_edited_workflow(headrace: Headrace) -> None:
    """Only what was edited, and what waits for it, runs again."""
    a, b = {"ref": "a", "run": "true"}, {"ref": "b", "run": "false"}
    c, d = {"ref": "c", "run": "true", "prerequisites": ["b"]}, {"ref": "d", "run": "true"}
    headrace("run", workflow(headrace, a, b, c, d), code=1)
    events = headrace("run", workflow(headrace, a, b | {"run": "true"}, c, d), "--json").events
    assert refs(events, "started") == ["b", "c"]
    assert events[0]["done_before"] == 2


def test_results_and_the_order_of_priority(headrace: Headrace) -> None:
    """The result holds what a command printed, bounded; the more important task goes first."""
    file = headrace.write(
        "w.toml",
        """
        name = "toml"
        [[task]]
        ref = "low"
        run = "true"
        base_priority = 1
        [[task]]
        ref = "high"
        name = "Say much"
        run = ["sh", "-c", "echo $HEADRACE_REF; yes | head -c 100000; echo end"]
        base_priority = 9
        agent_type = "talker"
        """,
    )
    events = headrace("run", file, "--workers", "1", "--json").events
    assert refs(events, "started") == ["high", "low"]
    task = next(event["task_id"] for event in events if event.get("ref") == "high")
    got = headrace("get", task, "--json").json
    assert (got["summary"], got["group"], got["agent_type"]) == ("Say much", "toml", "toml/talker")
    assert got["result"]["exit_code"] == 0
    assert got["result"]["stdout"].endswith("y\nend\n")
    assert got["result"]["stdout"].startswith("[83,")


def test_the_example_build(headrace: Headrace) -> None:
    """The example does what its README says, also when nothing is kept."""
    headrace("run", str(EXAMPLES / "build.toml"), "--workers", "4", "--db", ":memory:")
    assert list(headrace.folder.iterdir()) == []


def test_a_run_leaves_the_tasks_of_others_alone(headrace: Headrace) -> None:
    """Nothing in the database is executed: commands come from the file alone."""
    payload = json.dumps({"run": ["touch", "stolen"]})
    other = headrace("enqueue", "x", "--agent-type", "w", "--payload", payload).out.strip()
    headrace("run", workflow(headrace, {"ref": "a", "run": "true"}))
    assert headrace("get", other, "--json").json["status"] == "ready"
    assert not (headrace.folder / "stolen").exists()


def test_a_run_shares_its_database(headrace: Headrace) -> None:
    """While it goes on, other commands look at the queue and add to it; another run joins."""
    first = workflow(headrace, {"ref": "a", "runtime_s": 60})
    process = headrace.start("run", first)
    assert process.stdout is not None
    process.stdout.readline()
    headrace("enqueue", "Write the release notes")
    headrace("run", workflow(headrace, {"ref": "b", "run": "true"}, name="second.jsonl"))
    status = headrace("status", "--json").json
    assert (status["running"], status["ready"], status["completed"]) == (1, 1, 1)
    assert process.poll() is None


def test_an_owner_that_does_not_share(headrace: Headrace) -> None:
    """A command is told its pid, with exit code 5."""
    code = (
        "import trio; from scheduler import open_scheduler\n"
        "async def main():\n"
        "    async with open_scheduler('tasks.db'):\n"
        "        print('open', flush=True); await trio.sleep(60)\n"
        "trio.run(main)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=headrace.folder, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        said = headrace("status", "--json", code=5)
        owner.kill()
    assert said.json["error"]["code"] == "store_locked"
    assert said.json["error"]["pid"] == owner.pid
