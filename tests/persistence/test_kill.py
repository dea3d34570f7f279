"""The writer is killed at random moments; what it said was saved is there, and no half batch."""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from persistence.inspection import inspect
from persistence.sqlite import open_sqlite
from scheduler.domain.task import Task

SIZE = 20  # tasks a batch
ROOT = Path(__file__).parents[2]

WRITER = f"""
import sys
from persistence.sqlite import open_sqlite
from scheduler.domain.task import Status
from tests.support.journal import Journal, make_task
store = open_sqlite(sys.argv[1], durability="committed")
journal = Journal(store)
loaded = store.load()
journal.sequence = loaded.sequence
journal.tasks = {{task.number: task for task in loaded.tasks}}
number = loaded.sequence // {SIZE}
while True:
    first = number * {SIZE} + 1
    journal.insert(*(make_task(n) for n in range(first, first + {SIZE} // 2)))
    journal.insert(*(make_task(n, requires=(first,), status=Status.BLOCKED)
                     for n in range(first + {SIZE} // 2, first + {SIZE})))
    journal.commit()
    print(number, flush=True)
    number += 1
    if number % 7 == 0:
        store.checkpoint()
"""


def write_until_killed(path: str, lines: int) -> int:
    """Kill the writer while it goes on after `lines` more batches; the last one it reported."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as child:
        assert child.stdout is not None
        reported = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        reported += child.stdout.read().splitlines()
    return int(reported[-1])


@pytest.mark.process
def test_kill(path: str) -> None:
    """Every reported batch is whole; one that was not reported is whole or absent."""
    chance = random.Random(7)
    for _ in range(5):
        reported = write_until_killed(path, chance.randrange(1, 60))
        with closing(open_sqlite(path)) as store:
            loaded = store.load()
        batches: dict[int, list[Task]] = {}
        for task in loaded.tasks:
            batches.setdefault((task.number - 1) // SIZE, []).append(task)
        assert reported <= len(batches) - 1 <= reported + 1
        assert list(batches) == list(range(len(batches)))
        assert {len(tasks) for tasks in batches.values()} == {SIZE}
        assert all(len([t for t in tasks if t.requires]) == SIZE // 2 for tasks in batches.values())
        assert loaded.sequence == len(batches) * SIZE
    assert [finding for finding in inspect(path) if finding.severity != "ok"] == []
