"""Ends sessions in the two ways in which clients do, and measures how long the process stays.

In turn the standard input of `headrace mcp` is closed, and the client that started it is killed
with kill -9; a claim is waiting at that moment. The process must be gone within two seconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import trio

from torture.parts import Budget, Outcome, Violation
from torture.processes.starting import ROOT
from torture.processes.stdio import session

LIMIT = 2.0  # seconds
LATEST = 10.0  # seconds until a process that stays is killed
CLIENT = """
import sys, trio
from pathlib import Path
from torture.processes.stdio import session
async def main():
    async with session(Path(sys.argv[1])) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(claim, client)
            await trio.sleep(0.1)
            print(client.pid, flush=True)
async def claim(client):
    await client.call("task_claim", agent="a", wait_seconds=50)
trio.run(main)
"""


def run(budget: Budget) -> Outcome:
    """One ending after the other, until the time is up."""
    ends = time.monotonic() + budget.seconds
    stayed: dict[str, list[float]] = {"input closed": [], "client killed": []}
    ways: tuple[Callable[[Path], float], ...] = (closed, orphaned)
    while not stayed["client killed"] or time.monotonic() < ends:
        for name, end in zip(stayed, ways, strict=True):
            stayed[name].append(end(budget.folder / "tasks.db"))
    outcome = Outcome()
    for name, seconds in stayed.items():
        outcome.counts[name] = len(seconds)
        outcome.counts[f"{name}: stayed, longest s"] = round(max(seconds), 3)
        if max(seconds) > LIMIT:
            what = f"{name}: the process stayed {max(seconds):.1f} s"
            again = f"python -m torture --only endings --seed {budget.seed}"
            outcome.violations.append(Violation("P8", what, again))
    return outcome


def closed(database: Path) -> float:
    """Seconds that a session goes on after the end of its input."""

    async def main() -> float:
        async with session(database) as client:
            with trio.move_on_after(0.1):
                await client.call("task_claim", agent="a", wait_seconds=50)
            pid, began = client.pid, time.perf_counter()
        assert not is_there(pid)
        return time.perf_counter() - began

    return trio.run(main)


def orphaned(database: Path) -> float:
    """Seconds that a session goes on after the death of its client."""
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(database)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as client:
        assert client.stdout is not None
        pid = int(client.stdout.readline())
        client.kill()
        client.wait()
        began = time.perf_counter()
        while is_there(pid) and time.perf_counter() - began < LATEST:
            time.sleep(0.005)
        seconds = time.perf_counter() - began
        if seconds >= LATEST:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return seconds


def is_there(pid: int) -> bool:
    """Whether the process runs; one that only waits to be noticed does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
