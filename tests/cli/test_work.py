"""`headrace work` as a user meets it: commands, their input and output, signals, dead workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import trio

from scheduler import Scheduler, Status, TaskSpec, open_scheduler
from scheduler.cli.work.worker_address import Address
from scheduler.cli.work.worker_exec import perform
from scheduler.cli.work.worker_queue import Wanted, Work
from scheduler.cli.work.worker_remote import open_url
from scheduler.workers.holders import holder_name, take_back
from scheduler.workers.processes.outcomes import Outcome
from tests.cli.conftest import Command, Headrace

DOCUMENT = {"task_id": "0000000000001", "task": {"summary": "x"}}


def work(**fields: Any) -> Work:
    defaults: dict[str, Any] = {
        "task_id": "0000000000001",
        "token": "secret",
        "summary": "x",
        "attempt": 1,
        "agent_type": "lane",
        "group": None,
        "timeout": None,
        "document": DOCUMENT,
    }
    return Work(**(defaults | fields))


async def done(command: str, **fields: Any) -> Outcome:
    return await perform(command, work(**fields), {"HEADRACE_DB": "/q.db", "HEADRACE_URL": None})


# ------------------------------------------------------------- one command


@pytest.mark.parametrize(
    ("command", "result"),
    [
        ("cat", DOCUMENT),
        ("echo '[1, 2]'", [1, 2]),
        ("echo 42; echo noise >&2", 42),
        ("echo built", {"stdout": "built\n", "exit_code": 0}),
        ("true", {"stdout": "", "exit_code": 0}),
        ("""echo '"{\\"a\\": 1}"'""", {"a": 1}),
        ("""echo '"[NaN]"'""", "[NaN]"),
        ("""echo '"{x"'""", "{x"),
        ("echo NaN", {"stdout": "NaN\n", "exit_code": 0}),
        (r"printf '\377'", {"stdout": "\N{REPLACEMENT CHARACTER}", "exit_code": 0}),
    ],
)
async def test_what_a_command_prints_is_the_result(command: str, result: object) -> None:
    """As JSON if it is JSON that can be kept, else as text."""
    assert await done(command) == Outcome(result=result)


async def test_much_output_is_bounded() -> None:
    """As JSON up to 256 KiB; of a longer one the end is kept, as of all text."""
    fits = await done("head -c 200000 /dev/zero | tr '\\0' 7 | sed 's/^/\"/; s/$/\"/'")
    assert fits.result == "7" * 200_000
    cut = await done("head -c 300000 /dev/zero | tr '\\0' 7")
    assert cut.result["stdout"].startswith("[283,616 bytes left out]\n777")


async def test_the_environment_of_a_command() -> None:
    """It tells which task this is and where the queue is, and nothing about the lease."""
    names = ["TASK_ID", "ATTEMPT", "AGENT_TYPE", "GROUP", "DB", "URL"]
    line = " ".join(f"${{HEADRACE_{name}-none}}" for name in names)
    outcome = await done(f"echo {line}; env | grep -c secret || true", group="g", attempt=2)
    assert outcome.result["stdout"] == "0000000000001 2 lane g /q.db none\n0\n"


async def test_a_command_that_does_not_read() -> None:
    """Input larger than a pipe holds does not hang it."""
    assert (await done("echo 1", document={"payload": "x" * 300_000})).result == 1


@pytest.mark.parametrize(
    ("command", "error", "retryable"),
    [
        ("echo why >&2; exit 3", "exit code 3\nwhy", True),
        ("echo only said; exit 75", "exit code 75\nonly said", True),
        ("exit 65", "exit code 65 (EX_DATAERR)", False),
        ("exit 78", "exit code 78 (EX_CONFIG)", False),
        ("kill -9 $$", "killed by SIGKILL", True),
    ],
)
async def test_how_commands_fail(command: str, error: str, retryable: bool) -> None:
    """With the code and the end of what it said; a few codes mean that it will never work."""
    assert await done(command) == Outcome(error, retryable=retryable)


@pytest.mark.parametrize("command", ["no-such-command --at-all", "true | ./no/such", "/"])
async def test_a_command_that_cannot_be_run(command: str) -> None:
    """Is no fault of the task: another worker may be able to."""
    outcome = await done(command)
    assert outcome.unfit
    assert outcome.error is not None
    assert outcome.error.startswith(command.split()[-1] if "|" in command else command.split()[0])


@pytest.mark.parametrize("command", ["exit 127", "sh -c ./none", "echo --exec: x >&2; exit 1"])
async def test_what_only_looks_like_it(command: str) -> None:
    """A code that a program has chosen, also a shell that runs what a task says, is a failure."""
    outcome = await done(command)
    assert outcome.error is not None
    assert outcome.error.startswith("exit code ")
    assert not outcome.unfit


async def test_the_timeout_of_a_task() -> None:
    """Ends the command and its children."""
    began = time.monotonic()
    assert await done("sleep 60 & wait", timeout=0.2) == Outcome("timed out after 0.2 s")
    assert time.monotonic() - began < 10


# ------------------------------------------------------------- the whole


def events(process: subprocess.Popen[str], last: str) -> list[dict[str, Any]]:
    """What a `work --json` tells up to this event."""
    assert process.stdout is not None
    told = []
    for line in process.stdout:
        told.append(json.loads(line))
        if told[-1]["event"] == last:
            break
    return told


def rest_of(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    out, err = process.communicate(timeout=20)
    assert err == ""
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.process
def test_a_graph_worked_off_by_commands(headrace: Headrace) -> None:
    """Results reach those that wait for them; the rest of the queue is left alone."""
    payload = json.dumps({"n": 20})
    first = headrace("enqueue", "a", "--agent-type", "add", "--payload", payload).out.strip()
    second = headrace("enqueue", "b", "--agent-type", "add", "--prerequisite", first).out.strip()
    other = headrace("enqueue", "c", "--agent-type", "other").out.strip()
    adder = headrace.write(
        "add.py",
        "import json, sys\n"
        "claim = json.load(sys.stdin)\n"
        "found = sum(claim['prerequisite_results'].values())\n"
        "print(found + claim['task'].get('payload', {'n': 1})['n'])\n",
    )
    said = headrace(
        "work", "--agent-type", "add", "--exec", f"{sys.executable} {adder}", "--until-idle"
    )
    assert f"takes add from {headrace.folder}/tasks.db, up to 1 at a time" in said.lines[0]
    assert said.lines[-1] == "ended: 2 completed"
    assert headrace("get", second, "--json").json["result"] == 21
    assert headrace("get", other, "--json").json["status"] == "ready"


@pytest.mark.process
def test_failures_set_the_exit_code(headrace: Headrace) -> None:
    """Of a worker that ends by itself: 1."""
    headrace("enqueue", "a", "--agent-type", "x", "--max-attempts", "1")
    said = headrace(
        "work", "--agent-type", "x", "--exec", "exit 3", "--until-idle", "--json", code=1
    )
    kinds = [event["event"] for event in said.events]
    assert kinds == ["opened", "started", "failed", "closed"]
    assert said.events[2]["error"] == "exit code 3"


@pytest.mark.process
def test_a_worker_whose_command_is_not_there(headrace: Headrace) -> None:
    """Ends with a usage error, and leaves the queue as it was."""
    task = headrace("enqueue", "a", "--agent-type", "x").out.strip()
    said = headrace("work", "--agent-type", "x", "--exec", "./none.sh", "--until-idle", code=2)
    assert "error [invalid_request]: the command cannot be run: ./none.sh: " in said.err
    assert "field:    --exec" in said.err
    got = headrace("get", task, "--json").json
    assert (got["status"], got["attempt"]) == ("ready", 0)


@pytest.mark.process
def test_a_line_on_a_failed_attempt(headrace: Headrace) -> None:
    """Says why, when the next follows, and how many are left."""
    headrace("enqueue", "a", "--agent-type", "x", "--max-attempts", "2")
    command = "echo trace >&2; echo why >&2; exit 3"
    said = headrace("work", "--agent-type", "x", "--exec", command, "--until-idle", code=1)
    retrying = next(line for line in said.lines if line.startswith("retrying"))
    assert ": exit code 3: why; again in " in retrying
    assert retrying.endswith(" s, 1 try left")


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_idle_worker_stops_at_once(headrace: Headrace, number: signal.Signals) -> None:
    """In order, with exit code 0, and nothing on stderr."""
    process = headrace.start("work", "--agent-type", "x", "--exec", "true", "--json")
    events(process, "opened")
    began = time.monotonic()
    process.send_signal(number)
    assert [event["event"] for event in rest_of(process)] == ["closed"]
    assert process.returncode == 0
    assert time.monotonic() - began < 2


@pytest.mark.process
def test_what_a_second_signal_would_do(headrace: Headrace) -> None:
    """Is told only if there is something to give back."""
    idle = headrace.start("work", "--agent-type", "x", "--exec", "true")
    assert idle.stdout is not None
    idle.stdout.readline()
    idle.send_signal(signal.SIGTERM)
    assert idle.communicate(timeout=20)[0].splitlines()[0] == "stopping: takes no more"
    headrace("enqueue", "a", "--agent-type", "x")
    busy = headrace.start("work", "--agent-type", "x", "--exec", "sleep 60", "--grace", "0.1s")
    assert busy.stdout is not None
    while not busy.stdout.readline().startswith("started"):
        assert busy.poll() is None
    busy.send_signal(signal.SIGTERM)
    assert "; again to give back what is running" in busy.communicate(timeout=20)[0]


@pytest.mark.process
def test_running_work_may_end_after_a_signal(headrace: Headrace) -> None:
    """The worker takes no more, and ends with it."""
    for name in ("a", "b"):
        headrace("enqueue", name, "--agent-type", "x")
    wait = "while ! test -e go; do sleep 0.02; done"
    process = headrace.start("work", "--agent-type", "x", "--exec", wait, "--json")
    events(process, "started")
    process.send_signal(signal.SIGTERM)
    headrace.write("go", "")
    told = rest_of(process)
    assert [event["event"] for event in told] == ["completed", "closed"]
    assert process.returncode == 0


SLOW = "echo $$ > pid; sleep 60 & echo $! >> pid; wait"


def started_slowly(headrace: Headrace, *options: str) -> tuple[subprocess.Popen[str], list[int]]:
    """A worker at work, and the process ids of its command and that one's child."""
    process = headrace.start("work", "--agent-type", "x", "--exec", SLOW, "--json", *options)
    events(process, "started")
    pids = headrace.folder / "pid"
    while not pids.exists() or len(pids.read_text().split()) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    return process, [int(pid) for pid in pids.read_text().split()]


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("options", [[], ["--grace", "0.2s"]])
def test_the_second_signal_gives_back(headrace: Headrace, options: list[str]) -> None:
    """Or the end of the grace: the command and its children end, the attempt does not count."""
    task = headrace("enqueue", "a", "--agent-type", "x").out.strip()
    process, pids = started_slowly(headrace, *options)
    process.send_signal(signal.SIGTERM)
    if not options:
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
    told = rest_of(process)
    assert [event["event"] for event in told] == ["released", "closed"]
    assert process.returncode == 128 + signal.SIGTERM
    assert all(map(ended, pids))
    got = headrace("get", task, "--json").json
    assert (got["status"], got["attempt"]) == ("ready", 0)


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_what_a_killed_worker_held_is_done_at_once(headrace: Headrace) -> None:
    """The next one on this host gives it back, though nobody waits for the dead one yet."""
    headrace("enqueue", "a", "--agent-type", "x")
    process, pids = started_slowly(headrace)
    process.send_signal(signal.SIGKILL)
    os.killpg(pids[0], signal.SIGKILL)
    while not ended(process.pid):
        time.sleep(0.01)
    began = time.monotonic()
    said = headrace("work", "--agent-type", "x", "--exec", "echo 1", "--until-idle", "--json")
    assert [e["event"] for e in said.events] == ["opened", "started", "completed", "closed"]
    assert said.events[1]["attempt"] == 1
    assert time.monotonic() - began < 20


@pytest.mark.process
def test_workers_that_share_a_file(headrace: Headrace) -> None:
    """Each task is done by one of them, also when the first, which owned the file, is killed."""

    async def enqueue() -> None:
        async with open_scheduler(headrace.folder / "tasks.db") as scheduler:
            await scheduler.enqueue_many([TaskSpec(str(n), agent_type="x") for n in range(40)])

    trio.run(enqueue)
    command = "echo $HEADRACE_TASK_ID >> done; sleep 0.1"
    words = ("work", "--agent-type", "x", "--exec", command, "--lease", "2s", "--json")
    first = headrace.start(*words)
    events(first, "completed")
    second = headrace.start(*words, "--until-idle", "--concurrency", "2")
    events(second, "completed")
    first.kill()
    told = rest_of(second)
    assert (told[-1]["event"], second.returncode) == ("closed", 0)
    done = (headrace.folder / "done").read_text().split()
    assert len(set(done)) == 40
    assert len(done) <= 41  # what the killed one had in hand may be done again


@pytest.mark.parametrize(
    "words",
    [
        ("--lease", "0.5s"),
        ("--lease", "2d"),
        ("--concurrency", "0"),
        ("--url", "http://localhost:1/mcp", "--db", "x.db"),
        ("--token-file", __file__),
    ],
)
def test_options_that_make_no_sense(here: Command, words: tuple[str, ...]) -> None:
    """Are refused before anything is opened."""
    here("work", "--agent-type", "x", "--exec", "true", *words, code=2)


# ------------------------------------------------------------- holders


async def held_by(scheduler: Scheduler, *holders: str) -> dict[str, str]:
    """One task a holder; their statuses after the claims of the dead were taken back."""
    await scheduler.enqueue_many([TaskSpec(holder) for holder in holders])
    tasks = [(await scheduler.claim(holder))[0].task for holder in holders]
    await take_back(scheduler)
    return {
        holder: (await scheduler.get(task)).status
        for holder, task in zip(holders, tasks, strict=True)
    }


async def test_only_the_dead_of_this_host_are_taken_back() -> None:
    """Agents, other hosts and processes that live keep what they hold; a release is free."""
    host_and_own_pid = holder_name("run", 0).removeprefix("run:").removesuffix(":0")
    host = host_and_own_pid.rpartition(":")[0]
    gone = await trio.lowlevel.open_process(["true"])
    await gone.wait()
    async with open_scheduler() as scheduler:
        statuses = await held_by(
            scheduler,
            "agent-7",
            f"run:{host}:{gone.pid}:0",
            f"work:{host}:{gone.pid}:3",
            f"work:{host}:{os.getppid()}:0",
            f"run:elsewhere:{gone.pid}:0",
            f"run:{host_and_own_pid}:0",
            f"run:{host}:{'9' * 30}:0",
            f"run:{host}:x:0",
        )
    assert list(statuses.values()) == [
        Status.RUNNING,
        Status.READY,
        Status.READY,
        Status.RUNNING,
        Status.RUNNING,
        Status.READY,
        Status.READY,
        Status.RUNNING,
    ]


async def test_a_dead_process_does_not_take_another_along() -> None:
    """Though the one's number begins with the other's."""
    host = holder_name("run", 0).split(":")[1]
    gone = 2**22 + 5  # above what Linux gives out
    async with open_scheduler() as scheduler:
        await scheduler.enqueue_many([TaskSpec("a"), TaskSpec("b")])
        await scheduler.claim(f"run:{host}:{gone}:0")
        await scheduler.claim(f"run:elsewhere:{gone}:0")
        await take_back(scheduler)
        leases = (await scheduler.queue_status()).leases
        assert [lease.holder for lease in leases] == [f"run:elsewhere:{gone}:0"]


# ------------------------------------------------------------- over HTTP


@pytest.fixture
def served(headrace: Headrace) -> str:
    """The URL of a server over tasks.db; its token is in the file `token`."""
    process = headrace.start(
        "serve", "--http", "127.0.0.1:0", "--token-file", "token", "--tools", "all"
    )
    assert process.stderr is not None
    return process.stderr.readline().split(" at ")[1].strip()


TEST = Wanted("test", ("x",), 60.0)


def served_at(url: str, headrace: Headrace) -> Address:
    return Address(url, headrace.folder / "token", exposed=False)


def enqueue_over(url: str, headrace: Headrace, *tasks: dict[str, Any]) -> list[str]:
    """Put tasks into a queue that is served."""

    async def enqueue() -> list[str]:
        async with open_url(served_at(url, headrace), TEST) as queue:
            return [(await queue._call("task_enqueue", 0.0, **task))["task_id"] for task in tasks]

    return trio.run(enqueue)


def look_over(url: str, headrace: Headrace, task: str) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        async with open_url(served_at(url, headrace), TEST) as queue:
            return await queue._call("task_get", 0.0, task_id=task)

    return trio.run(look)


@pytest.mark.process
def test_work_over_http(headrace: Headrace, served: str) -> None:
    """The same command, with an address instead of a file."""
    good, bad = enqueue_over(
        served,
        headrace,
        {"description": "good", "agent_type": "x", "payload": {"n": 7}, "group": "g"},
        {"description": "bad", "agent_type": "x", "payload": {"n": -1}},
    )
    command = headrace.write(
        "do.py",
        "import json, os, sys\n"
        "claim = json.load(sys.stdin)\n"
        "n = claim['task']['payload']['n']\n"
        "if n < 0: sys.exit(65)\n"
        "print(json.dumps([n, os.environ['HEADRACE_URL'], 'lease_token' in claim]))\n",
    )
    said = headrace(
        *("work", "--agent-type", "x", "--exec", f"{sys.executable} {command}", "--until-idle"),
        *("--url", served, "--token-file", "token", "--concurrency", "2", "--json"),
        code=1,
    )
    assert said.events[0]["queue"] == served
    assert said.events[-1] | {"completed": 1, "failed": 1} == said.events[-1]
    assert look_over(served, headrace, good)["result"] == [7, served, False]
    assert look_over(served, headrace, bad)["error"] == "exit code 65 (EX_DATAERR)"


@pytest.mark.process
def test_cancelled_and_given_back_over_http(headrace: Headrace, served: str) -> None:
    """A cancelled task's command is stopped; the second signal releases the other."""
    first, second = enqueue_over(
        served,
        headrace,
        {"description": "a", "agent_type": "x"},
        {"description": "b", "agent_type": "x"},
    )
    process = headrace.start(
        *("work", "--agent-type", "x", "--exec", "sleep 60", "--url", served, "--token-file"),
        *("token", "--concurrency", "2", "--lease", "1s", "--json"),
    )
    events(process, "started")

    async def cancel() -> None:
        async with open_url(served_at(served, headrace), TEST) as queue:
            await queue._call("task_cancel", 0.0, task_id=first)

    trio.run(cancel)
    assert events(process, "lost")[-1]["task_id"] == first
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert [event["event"] for event in rest_of(process)] == ["released", "closed"]
    assert process.returncode == 130
    assert look_over(served, headrace, second)["status"] == "ready"


@pytest.mark.process
def test_a_server_without_release(headrace: Headrace) -> None:
    """Is told of at the start; what is not given back is no lost lease, and free at its end."""
    server = headrace.start("serve", "--http", "127.0.0.1:0", "--token-file", "token")
    assert server.stderr is not None
    url = server.stderr.readline().split(" at ")[1].strip()
    enqueue_over(url, headrace, {"description": "a", "agent_type": "x"})
    process = headrace.start(
        *("work", "--agent-type", "x", "--exec", "sleep 60", "--url", url),
        *("--token-file", "token", "--grace", "0.1s"),
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("started"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert "note: this server offers no task_release (run it with --tools all)" in err
    assert "not given back: the server offers no task_release; free at 2" in out
    assert "ended: 1 held" in out


@pytest.mark.process
def test_a_server_that_is_not_there(headrace: Headrace) -> None:
    """Ends the worker with an error that names it; so does a token that is not its own."""
    headrace.write("token", "t" * 32)
    words = ("work", "--agent-type", "x", "--exec", "true", "--token-file", "token", "--json")
    said = headrace(*words, "--url", "http://127.0.0.1:1/mcp", code=5)
    error = said.events[-1]["error"]
    assert (error["code"], error["field"]) == ("store_unavailable", "--url")
    said = headrace(*words, "--url", "127.0.0.1:1/mcp", code=2)
    assert said.events[-1]["error"]["field"] == "--url"


@pytest.mark.process
@pytest.mark.parametrize(
    ("start", "end", "hint"),
    [("http", "", "The address ends in /mcp: "), ("https", "/mcp", "Is there TLS")],
)
def test_an_address_that_is_nearly_right(
    headrace: Headrace, served: str, start: str, end: str, hint: str
) -> None:
    """Is told what is missing, before the worker says that it takes anything."""
    url = served.replace("http", start).replace("/mcp", end)
    words = ("work", "--agent-type", "x", "--exec", "true", "--url", url, "--token-file", "token")
    said = headrace(*words, code=5)
    assert hint in said.err
    assert start == "https" or served in said.err
    assert said.out == ""


@pytest.mark.process
def test_a_token_that_is_not_there(headrace: Headrace) -> None:
    """The message says what the system says of it."""
    words = ("work", "--agent-type", "x", "--exec", "true", "--url", "http://127.0.0.1:1/mcp")
    said = headrace(*words, "--json", code=5, XDG_CONFIG_HOME=str(headrace.folder))
    error = said.events[-1]["error"]
    assert error["message"] == "the token file cannot be read: No such file or directory"


@pytest.mark.process
def test_a_token_that_is_wrong(headrace: Headrace, served: str) -> None:
    """Is told as the server tells it."""
    headrace.write("wrong", "w" * 32)
    said = headrace(
        *("work", "--agent-type", "x", "--exec", "true", "--url", served, "--token-file", "wrong"),
        code=5,
    )
    assert "not the token" in said.err
    assert "field:    --token-file" in said.err
    assert "takes x" not in said.out
    assert "w" * 32 not in said.err


@pytest.mark.process
def test_a_server_that_stops_while_a_command_runs(headrace: Headrace) -> None:
    """The end is told to the next one: done is done."""
    with_port = headrace.start("serve", "--http", "127.0.0.1:0", "--token-file", "token")
    assert with_port.stderr is not None
    url = with_port.stderr.readline().split(" at ")[1].strip()
    address = url.split("/")[2]
    (task,) = enqueue_over(url, headrace, {"description": "a", "agent_type": "x"})
    wait = "while ! test -e go; do sleep 0.02; done; echo 5"
    process = headrace.start(
        *("work", "--agent-type", "x", "--exec", wait, "--url", url, "--token-file", "token"),
        *("--json", "--until-idle"),
    )
    events(process, "started")
    with_port.send_signal(signal.SIGKILL)
    with_port.wait()
    headrace.write("go", "")
    events(process, "trouble")
    again = headrace.start("serve", "--http", address, "--token-file", "token")
    assert again.stderr is not None
    again.stderr.readline()
    told = [event["event"] for event in rest_of(process)]
    assert [kind for kind in told if kind != "trouble"] == ["completed", "closed"]
    assert look_over(url, headrace, task)["result"] == 5
