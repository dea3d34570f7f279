"""Ends sessions in the two ways in which clients do, and measures how long the process stays.

In turn the standard input of `headrace mcp` is closed, and the client that started it is killed
with kill -9; a claim is waiting at that moment. The process must be gone within two seconds.

    python -m benchmarks.campaigns.endings --times 50
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

import trio

from benchmarks.campaigns.raw_session import session

LIMIT = 2.0  # seconds
LATEST = 10.0  # seconds until a process that stays is killed
CLIENT = """
import sys, trio
from pathlib import Path
from benchmarks.campaigns.raw_session import session
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
        [sys.executable, "-c", CLIENT, str(database)], stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout is not None
        pid = int(client.stdout.readline())
        client.kill()
        client.wait()
        began = time.perf_counter()
        while is_there(pid) and time.perf_counter() - began < LATEST:
            time.sleep(0.005)
        seconds = time.perf_counter() - began
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


def main() -> int:
    """Run it and print how long they stayed; 1 if one stayed too long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--times", type=int, default=50)
    times = parser.parse_args().times
    late = 0
    with tempfile.TemporaryDirectory() as folder:
        for what, end in (("input closed", closed), ("client killed", orphaned)):
            stayed = [end(Path(folder) / "tasks.db") for _ in range(times // 2)]
            late += sum(seconds > LIMIT for seconds in stayed)
            print(
                f"{what} {len(stayed)} times: gone after {median(stayed):.3f} s, "
                f"the last after {max(stayed):.3f} s"
            )
    print(f"{late} stayed longer than {LIMIT:g} s")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
