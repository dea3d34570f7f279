"""No state in memory: every call is a transaction of its own, on the loop's thread.

The statements are the product's where it has them. Its schema gets one more index, without which
a claim would read and sort all unfinished tasks: the ready ones in the order in which the product
hands them out. Dependencies, attempts, learned durations and counters are kept as there.

A score counts what the tasks of the same batch pass on to each other, and is not corrected when
later tasks come to wait for an older one: to walk the graph at each call is what a graph in
memory is for. A group's turns, an end of leases and other timers are missing, with all that
`state` lacks. Recovery is not needed.

`accepted` cannot be had: where a call is a transaction, its answer comes after the commit.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import msgspec
import trio
from msgspec.structs import astuple, replace

from actors import prerequisites, refusals
from benchmarks.models import queries
from benchmarks.models.model import (
    CHECKPOINT_PAGES,
    LEASE,
    LOOK_AT_LOG_EVERY,
    Disk,
    encoded_results,
)
from persistence import columns
from persistence import statements as sql
from persistence.opening import connect, prepare_file
from persistence.rows import edge_rows, edges_of, moved_row, tasks_of, whole_rows
from persistence.store import Durability, Duration
from persistence.wal import WalGauge
from scheduler import Claim, SchedulerClosed, Status, Task, TaskSpec
from scheduler.domain import lifecycle, priority
from scheduler.domain.admission import make_task
from scheduler.domain.durations import UNKNOWN, Durations
from scheduler.domain.graph import Graph
from scheduler.domain.ids import IdMaker
from scheduler.domain.priority import SOURCE_SCORES, Weights
from scheduler.domain.request import Request, checked_all

TOKEN_BITS = 128
WEIGHTS = Weights()


class Direct:
    """See the module. Implements `Model`.

    The lock lets one call through at each turn of the loop: without it, all callers would run
    their transactions in the same turn, and nobody else would be heard in between.
    """

    def __init__(self, connection: sqlite3.Connection, path: str, synced: bool, disk: Disk) -> None:
        self._connection = connection
        self._wal = WalGauge(path)
        self._commit_syncs = 1 if synced else 0
        self._disk = disk
        self._turn = trio.Lock()
        self._commits = 0
        self._closed = False

    async def enqueue(self, specs: Sequence[TaskSpec]) -> list[Task]:
        requests = checked_all(specs, SOURCE_SCORES)
        async with self._turn:
            with self._transaction():
                return self._enqueue(requests, time.time())

    async def claim(self, holder: str, limit: int) -> list[Claim]:
        async with self._turn:
            with self._transaction():
                return self._claim(holder, limit, time.time())

    async def complete(self, claims: Sequence[Claim]) -> list[Task]:
        results = encoded_results(claims)
        async with self._turn:
            with self._transaction():
                return self._complete(claims, results, time.time())

    async def flush(self) -> None:
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        self._closed = True

    # ------------------------------------------------------------- the calls

    def _enqueue(self, requests: Sequence[Request], now: float) -> list[Task]:
        (largest,) = self._connection.execute(sql.LARGEST).fetchone()
        ids = IdMaker(secrets.randbits, largest or 0)
        numbers = [ids.next(now) for _ in requests]
        durations = self._durations()
        tasks = [
            _estimated(make_task(request, number, numbers, None, now), durations)
            for request, number in zip(requests, numbers, strict=True)
        ]
        statuses = self._statuses(prerequisites.unknown(tasks, (), {}))
        batch = Graph(SOURCE_SCORES)
        batch.admit(tasks)  # raises DependencyCycle
        made = [self._placed(task, batch, statuses, now) for task in tasks]
        common, full = whole_rows(made, self._changes(made))
        self._connection.executemany(sql.PUT_COMMON_TASK, common)
        self._connection.executemany(sql.PUT_TASK, full)
        self._connection.executemany(
            sql.PUT_EDGE, (row for task in made for row in edge_rows(task))
        )
        return made

    def _placed(
        self, task: Task, batch: Graph, statuses: Mapping[int, Status | None], now: float
    ) -> Task:
        """The task with its status, depth and score."""
        prerequisites.check(task, (), statuses)
        number = task.number
        needed = (statuses.get(found) for found in task.requires + task.follows)
        waits = any(status is not None and not status.finished for status in needed)
        points = priority.score(batch.facts(number), task.estimated_duration, now, WEIGHTS)
        task = replace(task, priority=points, dependency_depth=batch.depth(number))
        return lifecycle.open_new(task, now) if batch.is_open(number) and not waits else task

    def _claim(self, holder: str, limit: int, now: float) -> list[Claim]:
        claims: list[Claim] = []
        for task in self._tasks(queries.BEST, limit):
            token = f"{secrets.randbits(TOKEN_BITS):032x}"
            claims.append(Claim(lifecycle.claim(task, holder, token, LEASE, now), token))
        self._move([claim.task for claim in claims])
        return claims

    def _complete(self, claims: Sequence[Claim], results: Sequence[str], now: float) -> list[Task]:
        numbers = _json(claim.task.number for claim in claims)
        held = {task.number: task for task in self._tasks(sql.TASKS, numbers)}
        running: list[Task] = []
        for claim in claims:
            task = held[claim.task.number]
            if task.token != claim.token or task.status is not Status.RUNNING:
                raise refusals.lease_lost(task)
            running.append(task)
        completed = [
            lifecycle.complete(task, result, now)
            for task, result in zip(running, results, strict=True)
        ]
        self._move(completed)
        ended = (str(Status.COMPLETED), len(completed))
        self._connection.execute(queries.ADD_TO_COUNTER, ended)
        attempts = (astuple(lifecycle.attempt_of(task, "completed", now)) for task in running)
        self._connection.executemany(sql.PUT_ATTEMPT, attempts)
        blocked = self._tasks(queries.RELEASED, numbers)
        self._move([lifecycle.open_at(task, now) for task in blocked])
        self._learn(completed)
        return completed

    def _learn(self, completed: Iterable[Task]) -> None:
        durations = self._durations()
        learned: dict[str, Duration] = {}
        for task in completed:
            assert task.finished_s is not None and task.started_s is not None
            seconds = task.finished_s - task.started_s
            learned[task.agent_type] = durations.learn(task.agent_type, seconds)
        rows = [(lane, known.mean, known.count) for lane, known in learned.items()]
        self._connection.executemany(sql.PUT_DURATION, rows)

    # ------------------------------------------------------------- the file

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._closed:
            raise SchedulerClosed("the scheduler is closed")
        self._connection.execute(sql.BEGIN)
        try:
            yield
        except BaseException:
            self._connection.execute(sql.ROLLBACK)
            raise
        self._disk.sync(self._commit_syncs)
        self._connection.execute(sql.COMMIT)
        self._commits += 1
        if self._commits % LOOK_AT_LOG_EVERY == 0 and self._wal.pages() > CHECKPOINT_PAGES:
            self._disk.sync(2)
            _busy, _frames, copied = self._connection.execute(sql.CHECKPOINT).fetchone()
            self._wal.copied(copied)

    def _tasks(self, statement: str, *values: Any) -> list[Task]:
        rows = self._connection.execute(statement, values).fetchall()
        if not rows:
            return []
        edges = self._connection.execute(sql.EDGES, (_json(row[0] for row in rows),))
        return tasks_of(rows, edges_of(edges))

    def _statuses(self, numbers: Sequence[int]) -> dict[int, Status | None]:
        known: dict[int, Status | None] = dict.fromkeys(numbers)
        if numbers:
            rows = self._connection.execute(sql.STATUSES, (_json(numbers),))
            known.update(columns.STATUSES.proved(rows))
        return known

    def _durations(self) -> Durations:
        lanes = self._connection.execute(sql.LANES)
        return Durations({lane: Duration(mean, count) for lane, mean, count, _ in lanes})

    def _move(self, tasks: Sequence[Task]) -> None:
        """Write the changed states of tasks that are on record."""
        if tasks:
            changes = self._changes(tasks)
            rows = (moved_row(task, changes[task.number]) for task in tasks)
            self._connection.executemany(sql.MOVE_TASK, rows)

    def _changes(self, tasks: Sequence[Task]) -> dict[int, int]:
        """By task, the numbers of these changes."""
        (newest,) = self._connection.execute(sql.NEWEST).fetchone()
        return {task.number: place for place, task in enumerate(tasks, (newest or 0) + 1)}


def _estimated(task: Task, durations: Durations) -> Task:
    if task.estimated_duration != UNKNOWN:
        return task
    return replace(task, estimated_duration=durations.estimate(task.agent_type))


def _json(values: Iterable[int]) -> str:
    return msgspec.json.encode(list(values)).decode()


@asynccontextmanager
async def opened(path: str, durability: Durability, disk: Disk) -> AsyncIterator[Direct]:
    """The model on a new file. Not for `accepted`: see the module."""
    assert durability != "accepted"
    prepare_file(path)
    connection = connect(path, durability, None)
    try:
        connection.execute(queries.READY_INDEX)
        yield Direct(connection, path, durability == "synced", disk)
    finally:
        connection.close()
