"""What each index costs whoever writes, and which statements need it."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from statistics import median

import msgspec
from msgspec.structs import astuple, replace

from benchmarks.filling import fill
from benchmarks.sections.throughput import made
from benchmarks.showing import Table
from benchmarks.workload import Bench
from persistence import statements as sql
from persistence.opening import connect
from persistence.query_plans import explain, indexes
from persistence.rows import Row, edge_rows, moved_row, whole_row
from scheduler import Status, Task
from scheduler.domain.task import Attempt

BEFORE, BEFORE_QUICK = 50_000, 2_000  # tasks in the file
WRITTEN, WRITTEN_QUICK = 5_000, 1_000
BATCH = 1_000  # tasks a commit
GROUPS = 15
REPETITIONS = 5
STEPS = ("enqueue", "claim", "complete")

# Which would serve pages of filters that are served by looking at rows, and are not there.
LEFT_OUT = {
    "agent_type": "CREATE INDEX tried ON tasks (agent_type)",
    "source": "CREATE INDEX tried ON tasks (source)",
    "group, status": 'CREATE INDEX tried ON tasks ("group", status) WHERE "group" IS NOT NULL',
}

Work = list[dict[str, list[Row]]]  # for each commit, by statement, the rows


class Cost(msgspec.Struct, frozen=True):
    """Of one file: us a task for each of STEPS, and bytes a task, all tables together."""

    times: tuple[float, ...]
    size: float


def figures(bench: Bench) -> Iterator[Table]:
    """The same rows with every index, and with one fewer or one more, in turn."""
    before, written = bench.pick(BEFORE, BEFORE_QUICK), bench.pick(WRITTEN, WRITTEN_QUICK)
    original = bench.new()
    fill(original, (_task(number) for number in range(1, before + 1)))
    steps = _steps(before, written)
    readers = _readers(original)
    changes = {name: f"DROP INDEX {name}" for name in readers} | LEFT_OUT
    copy = bench.new()
    pairs: dict[str, list[tuple[Cost, Cost]]] = {name: [] for name in changes}
    for _ in range(bench.pick(REPETITIONS, 1)):
        for name, change in changes.items():
            whole = _cost(original, copy, None, steps)
            other = _cost(original, copy, change, steps)
            pairs[name].append((whole, other) if name in readers else (other, whole))
    rows = [(name, readers.get(name, "not there"), *_cells(pairs[name])) for name in changes]
    yield Table(
        "indexes",
        "What an index costs: executemany with / without it, tasks a second of CPU time",
        ("index", "needed by", *STEPS, "bytes a task"),
        tuple(rows),
        f"{written:,} tasks with key, group and mostly an edge, written to a file of {before:,} in "
        f"commits of {BATCH:,} and claimed in about their order. What it adds is the median of "
        "runs in turn (lowest..highest).",
    )


def _task(number: int) -> Task:
    models = made(BATCH)
    waits = (number - 1,) if number % 10 else ()
    return replace(
        models[number % BATCH],
        number=number,
        status=Status.BLOCKED if waits else Status.READY,
        requires=waits,
        key=f"the key of {number}",
        group=f"g{number % GROUPS}",
        ready_s=1.0,
    )


def _steps(before: int, count: int) -> list[Work]:
    """The rows of STEPS, in commits."""
    tasks = [_task(number) for number in range(before + 1, before + count + 1)]
    later = tasks.copy()
    for start in range(0, count, BATCH):  # priorities mix those that wait at a time
        near = later[start : start + BATCH]
        random.Random(start).shuffle(near)
        later[start : start + BATCH] = near
    claim = partial(replace, status=Status.RUNNING, attempt=1, started_s=2.0, holder="worker")
    claimed = [claim(task, token="t" * 22, lease_s=60.0, lease_expires_s=62.0) for task in later]
    ended = [
        replace(task, status=Status.COMPLETED, finished_s=3.0, result_json='{"ok": true}')
        for task in claimed
    ]
    return [_commits(tasks, _new), _commits(claimed, _moved), _commits(ended, _ended)]


def _commits(tasks: Sequence[Task], rows: Callable[[Sequence[Task]], dict[str, list[Row]]]) -> Work:
    return [rows(tasks[start : start + BATCH]) for start in range(0, len(tasks), BATCH)]


def _new(tasks: Sequence[Task]) -> dict[str, list[Row]]:
    return {
        sql.PUT_TASK: [whole_row(task, task.number) for task in tasks],
        sql.PUT_EDGE: [row for task in tasks for row in edge_rows(task)],
    }


def _moved(tasks: Sequence[Task]) -> dict[str, list[Row]]:
    return {sql.MOVE_TASK: [moved_row(task, 10**9 + task.number) for task in tasks]}


def _ended(tasks: Sequence[Task]) -> dict[str, list[Row]]:
    attempts = [Attempt(task.number, 1, "worker", 2.0, 3.0, "completed") for task in tasks]
    moved = [moved_row(task, 2 * 10**9 + task.number) for task in tasks]
    return {sql.MOVE_TASK: moved, sql.PUT_ATTEMPT: [astuple(attempt) for attempt in attempts]}


def _cost(original: str, path: str, change: str | None, steps: Sequence[Work]) -> Cost:
    """Write the steps to a copy of the file whose indexes have been changed."""
    shutil.copyfile(original, path)
    with closing(connect(path, "committed", None)) as connection:
        if change is not None:
            connection.execute(change)
        connection.execute(sql.CHECKPOINT).fetchall()
        times = [_seconds(connection, work) for work in steps]
        count = sum(len(commit[sql.PUT_TASK]) for commit in steps[0])
        (tasks,) = connection.execute("SELECT count(*) FROM tasks").fetchone()
        return Cost(tuple(spent / count * 1e6 for spent in times), _size(connection) / tasks)


def _seconds(connection: sqlite3.Connection, work: Work) -> float:
    began = time.thread_time()
    for commit in work:
        connection.execute(sql.BEGIN)
        for statement, rows in commit.items():
            connection.executemany(statement, rows)
        connection.execute(sql.COMMIT)
    seconds = time.thread_time() - began
    connection.execute(sql.CHECKPOINT).fetchall()
    return seconds


def _size(connection: sqlite3.Connection) -> int:
    """Bytes in use."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _cells(pairs: Sequence[tuple[Cost, Cost]]) -> Iterator[str]:
    """For each step both rates and what the index adds; the pairs are with and without it."""
    for place in range(len(STEPS)):
        times = [(ours.times[place], bare.times[place]) for ours, bare in pairs]
        rates = " / ".join(f"{1e6 / median(side):,.0f}" for side in zip(*times, strict=True))
        added = [ours - bare for ours, bare in times]
        yield f"{rates}, {median(added):+.1f} us ({min(added):.1f}..{max(added):.1f})"
    ours, bare = pairs[0]
    yield f"{ours.size - bare.size:.0f}"


def _readers(path: str) -> dict[str, str]:
    """Each index of the file, and who runs the statements that read it."""
    with closing(connect(path, "committed", None)) as connection:
        plans = {plan.statement.name: plan for plan in explain(connection)}
        there = indexes(connection, list(plans.values()))
    return {
        index.name: "; ".join(
            dict.fromkeys(plans[name].statement.used_by for name in index.used_by)
        )
        for index in there
    }
