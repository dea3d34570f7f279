"""How long it takes until a scheduler is there: the import, and the recovery of a file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import trio

from actors.collecting import no_collection
from benchmarks.measuring import Figure, at_most, compare
from benchmarks.workload import Bench, linked_specs
from persistence.opening import connect
from scheduler import open_scheduler

UNFINISHED, UNFINISHED_QUICKLY = 100_000, 10_000
BATCH = 10_000
IMPORTS = 9
HEAVY = ("mcp", "hypercorn", "click")

TIMED_IMPORT = """
import sys, time
began = time.perf_counter()
from {module} import {name}
seconds = time.perf_counter() - began
assert not {heavy}.intersection(sys.modules), "a heavy module came along"
print(seconds)
"""


def figures(bench: Bench) -> Iterator[Figure]:
    """Both start from the same file."""
    path = bench.new()
    unfinished = bench.pick(UNFINISHED, UNFINISHED_QUICKLY)
    trio.run(_fill, path, unfinished)
    yield compare(
        f"open a file of {unfinished:,} unfinished tasks / fetchall",
        "s",
        lambda: trio.run(reopen, path, unfinished),
        lambda: fetch_all(path, unfinished),
        at_most(6),
        pairs=bench.pairs,
        goal=at_most(3),
    )
    yield compare(
        "import scheduler, open_scheduler / import trio",
        "s",
        lambda: fresh_import("scheduler", "open_scheduler"),
        lambda: fresh_import("trio", "run"),
        at_most(2),
        pairs=bench.pick(IMPORTS, 1),
    )


async def _fill(path: str, unfinished: int) -> None:
    async with open_scheduler(path) as scheduler:
        for _ in range(unfinished // BATCH):
            await scheduler.enqueue_many(linked_specs(BATCH))


async def reopen(path: str, unfinished: int) -> float:
    """Seconds until the scheduler on this file answers its first question."""
    began = time.perf_counter()
    async with open_scheduler(path) as scheduler:
        status = await scheduler.queue_status()
        seconds = time.perf_counter() - began
    assert status.total_tasks == unfinished
    return seconds


def fetch_all(path: str, unfinished: int | None = None) -> float:
    """Seconds to read the rows of the same tasks and edges."""
    with closing(connect(path, "synced", None)) as connection, no_collection():
        began = time.perf_counter()
        tasks = connection.execute("SELECT * FROM tasks").fetchall()
        edges = connection.execute("SELECT * FROM edges").fetchall()
        seconds = time.perf_counter() - began
    assert edges and unfinished in (None, len(tasks))
    return seconds


def fresh_import(module: str, name: str) -> float:
    """Seconds for an import in a new process; what only some users need must not come along."""
    code = TIMED_IMPORT.format(module=module, name=name, heavy=set(HEAVY))
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}  # as a program is installed
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return float(result.stdout)
