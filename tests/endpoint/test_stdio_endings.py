"""How a session ends, and that nothing but the protocol is on stdout."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from scheduler import open_scheduler
from tests.endpoint.raw_stdio import COMMAND, META, RawSession

pytestmark = pytest.mark.process
GONE = 2.0  # seconds
Start = Callable[..., RawSession]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Opens sessions on one database."""
    opened: list[RawSession] = []

    def session(*options: str) -> RawSession:
        opened.append(RawSession(tmp_path / "tasks.db", *options))
        assert opened[-1].call("task_queue_status")["sequence"] >= 0  # it is up
        return opened[-1]

    yield session
    for each in opened:
        each.end()


def waiting(session: RawSession) -> None:
    """Let a claim wait; returns when it has reached the scheduler."""
    claim = {"name": "task_claim", "arguments": {"agent": "a", "wait_seconds": 50}}
    session.request("tools/call", claim)
    session.call("task_queue_status")


def _stdin_ends(session: RawSession) -> int:
    session.close_stdin()
    return 0


def _terminate(session: RawSession) -> int:
    session.process.terminate()
    return 128 + signal.SIGTERM


def _interrupt(session: RawSession) -> int:
    session.process.send_signal(signal.SIGINT)
    return 128 + signal.SIGINT


def _nobody_reads(session: RawSession) -> int:
    session.close_stdout()
    session.request("ping")
    return 0


@pytest.mark.parametrize("end", [_stdin_ends, _terminate, _interrupt, _nobody_reads])
def test_an_end_while_a_claim_waits(
    start: Start, end: Callable[[RawSession], int], tmp_path: Path
) -> None:
    """The process is gone within two seconds, quietly, and has taken no task along."""
    session = start()
    waiting(session)
    code = end(session)
    assert session.ends_within(GONE) == code
    assert session.process.stderr is not None
    assert session.process.stderr.read() == b""
    trio.run(_work_is_left, tmp_path / "tasks.db")


async def _work_is_left(database: Path) -> None:
    async with open_scheduler(database) as scheduler:
        task = await scheduler.enqueue("Build")
        [claim] = await scheduler.claim("b")
        assert (claim.task.id, claim.task.attempt) == (task.id, 1)


def test_the_client_is_killed(tmp_path: Path) -> None:
    """A server does not outlive the process that started it."""
    words = [*COMMAND, "--db", str(tmp_path / "tasks.db")]
    client = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            "server = subprocess.Popen(sys.argv[1:], stdin=-1, stdout=-1)\n"
            """server.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\\n')\n"""
            "server.stdin.flush()\n"
            "server.stdout.readline()\n"
            "print('up', flush=True)\n"
            "time.sleep(60)\n",
            *words,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,  # the server has it too: it ends with the last of them
    )
    assert client.stdout is not None
    assert client.stderr is not None
    assert client.stdout.readline() == b"up\n"
    client.kill()
    client.wait()
    ready, _, _ = select.select([client.stderr], [], [], GONE)
    assert ready
    assert client.stderr.read() == b""
    client.stdout.close()
    client.stderr.close()


def test_a_client_that_stops_reading(start: Start) -> None:
    """It is not served on, others are not held up, and when it reads again it has all answers."""
    session = start()
    stdin = session.process.stdin
    assert stdin is not None
    os.set_blocking(stdin.fileno(), False)
    line = {"jsonrpc": "2.0", "id": 0, "method": "tools/list", "params": {"_meta": META}}
    sent = 0
    while True:
        line["id"] = sent
        try:
            session.send(json.dumps(line).encode() + b"\n")
        except BlockingIOError:
            break
        sent += 1
        _, writable, _ = select.select([], [stdin], [], 1.0)
        if not writable:
            break
    assert 50 < sent < 20_000
    other = start()
    assert other.call("task_enqueue", description="Build")["status"] == "ready"
    answered = {session.receive()["id"] for _ in range(sent)}
    assert answered == set(range(sent))


def test_a_client_that_stopped_reading_leaves(start: Start) -> None:
    """What it did not read does not keep the process."""
    session = start()
    for _ in range(40):
        session.request("tools/list")
    session.close_stdin()
    assert session.ends_within(GONE) == 0


def test_a_client_that_stopped_reading_leaves_many_requests_behind(start: Start) -> None:
    """Nor does what was not read from it: its end is seen behind them."""
    session = start()
    made = session.call("task_enqueue", description="x" * 60_000)
    stdin = session.process.stdin
    assert stdin is not None
    os.set_blocking(stdin.fileno(), False)
    for _ in range(1_000):
        try:
            session.request(
                "tools/call", {"name": "task_get", "arguments": {"task_id": made["task_id"]}}
            )
        except BlockingIOError:
            break
    else:
        pytest.fail("everything was read")
    with suppress(BlockingIOError):
        session.close_stdin()
    assert session.ends_within(GONE) == 0


def test_a_slow_reader_that_left_is_still_answered(start: Start) -> None:
    """While it reads on, it gets what was asked for before."""
    session = start()
    made = session.call("task_enqueue", description="x" * 60_000)
    arguments = {"task_id": made["task_id"]}
    numbers = [
        session.request("tools/call", {"name": "task_get", "arguments": arguments})
        for _ in range(60)
    ]
    session.close_stdin()
    assert sorted(session.receive()["id"] for _ in numbers) == numbers
    assert session.ends_within(GONE) == 0


@pytest.mark.parametrize(
    ("tool", "arguments", "answered"),
    [
        ("task_claim", {"agent": "a"}, True),
        ("task_claim", {"agent": "a", "wait_seconds": 0}, True),
        ("task_claim", {"agent": "a", "wait_seconds": 50}, False),
        ("task_wait", {}, False),
        ("task_wait", {"wait_seconds": 0}, True),
        ("task_queue_status", {"wait_seconds": 50}, True),
    ],
)
def test_what_waits_ends_with_stdin(
    start: Start, tool: str, arguments: dict[str, Any], answered: bool
) -> None:
    """At once, and so that nothing is held by nobody; all else is answered."""
    session = start()
    session.call("task_queue_status")
    number = session.request("tools/call", {"name": tool, "arguments": arguments})
    session.close_stdin()
    answer = session.receive()
    assert answer["id"] == number
    assert ("result" in answer) is answered
    assert session.ends_within(GONE) == 0


def test_half_closed(start: Start) -> None:
    """Calls that came right before the end of stdin are still answered: echo … | headrace mcp."""
    session = start()
    numbers = [session.request("tools/call", {"name": "task_queue_status"}) for _ in range(3)]
    session.close_stdin()
    assert sorted(session.receive()["id"] for _ in numbers) == numbers
    assert session.ends_within(GONE) == 0


def test_files_instead_of_pipes(tmp_path: Path) -> None:
    """stdin and stdout may be files, a last line needs no end, and nothing need be kept."""
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}
    (tmp_path / "in").write_text(json.dumps(request))
    with (tmp_path / "in").open() as requests, (tmp_path / "out").open("w") as answers:
        words = [*COMMAND, "--db", ":memory:"]
        done = subprocess.run(words, cwd=tmp_path, stdin=requests, stdout=answers, timeout=20)
    assert done.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}
    [answer] = (tmp_path / "out").read_text().splitlines()
    assert len(json.loads(answer)["result"]["tools"]) == 12


def test_shared_pipes_stay_as_they_were(tmp_path: Path) -> None:
    """Whoever shares the ends finds them blocking afterwards."""
    (server_in, ours_out), (ours_in, server_out) = os.pipe(), os.pipe()
    words = [*COMMAND, "--db", str(tmp_path / "tasks.db")]
    process = subprocess.Popen(words, stdin=server_in, stdout=server_out)
    os.write(ours_out, b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    assert os.read(ours_in, 1000)
    assert not os.get_blocking(server_in)
    os.close(ours_out)
    assert process.wait(timeout=GONE) == 0
    assert os.get_blocking(server_in)
    assert os.get_blocking(server_out)
    for descriptor in (server_in, ours_in, server_out):
        os.close(descriptor)


@pytest.mark.parametrize("closed", [0, 1])
def test_a_closed_stream(tmp_path: Path, closed: int) -> None:
    """Without stdin or stdout there is no session, and the error says so."""
    words = [*COMMAND, "--db", str(tmp_path / "tasks.db")]
    code = "import os, sys; os.close(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(closed), *words], stderr=subprocess.PIPE, timeout=20
    )
    assert done.returncode == 2
    assert (b"stdin" if closed == 0 else b"stdout") in done.stderr


STRAY = """
import os, subprocess, sys, trio
from scheduler import open_scheduler
from scheduler.endpoint.server import Endpoint
from scheduler.endpoint.stdio.serving import serve_stdio

class Chatty(Endpoint):
    async def _call_tool(self, context, params):
        print("print")
        os.write(1, b"write\\n")
        subprocess.run([sys.executable, "-c", "print('child', input())"], stderr=-3)
        return await super()._call_tool(context, params)

async def main():
    print("before", flush=True)
    async with open_scheduler() as scheduler:
        print("buffered")
        await serve_stdio(Chatty(scheduler))
    print("after")

trio.run(main)
"""


def test_stray_prints() -> None:
    """What a handler or a child process prints while serving goes to stderr."""
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "task_queue_status", "_meta": META},
    }
    process = subprocess.Popen(
        [sys.executable, "-c", STRAY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    assert [process.stdout.readline() for _ in range(2)] == [b"before\n", b"buffered\n"]
    assert json.loads(process.stdout.readline())["id"] == 1
    began = time.monotonic()
    out, err = process.communicate(timeout=20)
    assert out == b"after\n"
    assert {b"print", b"write"} <= set(err.split())
    assert b"child" not in out
    assert time.monotonic() - began < GONE
