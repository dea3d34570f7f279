"""How commands end: with all their children, in order if they can, and with the worker."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import trio

from scheduler.workers.processes import commands
from scheduler.workers.processes.commands import Tail, run_command
from tests.cli.conftest import Headrace

IN_ORDER = """
import signal, sys, time
def stop(number, frame):
    time.sleep(0.8)
    print("bye", flush=True)
    open("bye", "w").close()
    sys.exit()
signal.signal(signal.SIGTERM, stop)
open("ready", "w").close()
time.sleep(60)
"""


def lives(pid: int) -> bool:
    """Whether this process runs; one that has ended and was not asked for yet does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return sys.platform != "linux"
    return state not in ("Z", "X")


async def until(condition: Path) -> None:
    with trio.fail_after(20):
        while not condition.exists():
            await trio.sleep(0.01)


async def stopped(command: str, ready: Path, grace: float = commands.TERM_SECONDS) -> float:
    """Stop a command once this file is there; how long that took."""
    async with trio.open_nursery() as nursery:
        words = ("sh", "-c", command)
        nursery.start_soon(run_command, words, {}, Tail(), Tail(), None, grace)
        await until(ready)
        began = trio.current_time()
        nursery.cancel_scope.cancel()
    return trio.current_time() - began


async def test_children_may_end_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell ends at once, what it has started gets its seconds all the same."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.py").write_text(IN_ORDER)
    took = await stopped(f"{sys.executable} c.py; true", tmp_path / "ready")
    assert (tmp_path / "bye").exists()
    assert took < commands.TERM_SECONDS


async def test_children_that_do_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are killed when their seconds are over."""
    monkeypatch.chdir(tmp_path)
    deaf = "(trap '' TERM; echo $$ > ready; while :; do sleep 0.1; done); true"
    assert 0.3 <= await stopped(deaf, tmp_path / "ready", grace=0.3) < commands.TERM_SECONDS


@pytest.mark.parametrize("code", [0, 3])
async def test_a_command_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """What it started in the background ends with it, else it would meet the next attempt."""
    monkeypatch.chdir(tmp_path)
    line = f"sleep 60 > /dev/null 2>&1 & echo $! > pid; echo hi; exit {code}"
    stdout = Tail()
    assert await run_command(("sh", "-c", line), {}, stdout, Tail()) == code
    assert stdout.text == "hi\n"
    assert not lives(int((tmp_path / "pid").read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="no other can adopt orphans")
async def test_children_that_are_left_to_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As to the first process of a container: one that has ended is not waited for."""
    monkeypatch.chdir(tmp_path)
    adopt_orphans = partial(ctypes.CDLL(None).prctl, 36)
    adopt_orphans(1)
    try:
        took = await stopped("sleep 60 & touch ready; wait", tmp_path / "ready")
    finally:
        adopt_orphans(0)
    assert took < commands.TERM_SECONDS


async def test_what_a_child_says_last_is_heard() -> None:
    """If it says so within a second of the command's end."""
    stdout = Tail()
    await run_command(("sh", "-c", "(sleep 0.2; echo late) & echo soon"), {}, stdout, Tail())
    assert stdout.text == "soon\nlate\n"


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("kind", ["work", "run"])
def test_commands_end_with_a_killed_worker(headrace: Headrace, kind: str) -> None:
    """Also by kill -9: what they were doing begins anew, and must not be done twice at once."""
    # It has run for a moment when we learn of it: before, the guard need not know it yet.
    line = "sleep 0.5; echo $$ > pid; sleep 60 & echo $! >> pid; wait"
    if kind == "work":
        headrace("enqueue", "a", "--agent-type", "x")
        process = headrace.start("work", "--agent-type", "x", "--exec", line)
    else:
        run = f"[[task]]\nref = 'a'\nrun = ['sh', '-c', '{line}']\n"
        process = headrace.start("run", headrace.write("w.toml", run))
    pids = headrace.folder / "pid"
    deadline = time.monotonic() + 20
    while not pids.exists() or len(pids.read_text().split()) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 2
    while any(lives(int(pid)) for pid in pids.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
