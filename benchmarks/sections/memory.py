"""What a queued task takes in memory, against the size of its row in the file."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import trio
from msgspec.structs import replace

from benchmarks.measuring import Figure, at_most, paired
from benchmarks.workload import Bench, spec
from persistence.opening import connect
from scheduler import TaskSpec, open_scheduler

TASKS = 100_000
FIRST = 30_000  # until SQLite's own cache is full
BATCH = 1_000
DESCRIPTION = 300  # characters
ROW = "SELECT sum(payload) / (SELECT count(*) FROM tasks) FROM dbstat WHERE name = 'tasks'"


def figures(bench: Bench) -> Iterator[Figure]:
    """In processes of their own, so that nothing else grows beside the tasks."""
    count = bench.pick(TASKS, TASKS // 20)
    pairs = [_measured(bench.new(), count) for _ in range(bench.pick(2, 1))]
    yield paired(
        "memory of a queued task / its row in the file", "B", pairs, at_most(3), at_most(1.5)
    )


def _measured(path: str, count: int) -> tuple[float, float]:
    """Bytes of memory a task, and bytes of a row."""
    command = [sys.executable, "-m", "benchmarks.sections.memory", path, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    with closing(connect(path, "synced", None)) as connection:
        ((row,),) = connection.execute(ROW)
    return float(done.stdout), float(row)


async def growth(path: str, count: int) -> float:
    """Bytes by which this process grows for each of so many tasks that wait to be claimed."""
    async with open_scheduler(path) as scheduler:
        before = 0
        for start in range(0, FIRST + count, BATCH):
            if start == FIRST:
                before = _resident()
            await scheduler.enqueue_many([_spec(start + place) for place in range(BATCH)])
        return (_resident() - before) / count


def _spec(place: int) -> TaskSpec:
    made = spec(place)
    return replace(made, description=made.description.ljust(DESCRIPTION, "."))


def _resident() -> int:
    """Bytes of memory that this process has now (Linux)."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


if __name__ == "__main__":
    print(trio.run(growth, sys.argv[1], int(sys.argv[2])))
