"""The models that are compared do the same work: what they answer is in the file, all of it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
import trio

from benchmarks.models import direct, driving, grouped, locked, pipelined, queries, threaded
from benchmarks.models.driving import Load, Run
from benchmarks.models.model import REAL, Disk, Model, Opening
from benchmarks.workload import linked_specs, open_specs
from persistence.inspection import inspect
from persistence.sqlite import open_sqlite
from persistence.store import Durability
from scheduler import LeaseLost, Status, TaskSpec, UnknownPrerequisite

MODELS: dict[str, tuple[Opening, bool]] = {
    "pipelined": (pipelined.opened, False),
    "locked": (locked.opened, False),
    "grouped": (grouped.opened, False),
    "threaded": (threaded.opened, True),
    "direct": (direct.opened, False),
}
MODELS_AND_LEVELS = [
    (name, level)
    for level in ("synced", "committed", "accepted")
    for name in MODELS
    if level != "accepted" or name not in ("direct", "grouped")
]


def run(name: str, path: str, load: Load, level: Durability = "synced", disk: Disk = REAL) -> Run:
    opening, threads = MODELS[name]
    let_loose = driving.run_in_threads if threads else driving.run_in_trio
    return let_loose(opening, path, level, disk, load)


def statuses(path: str) -> Counter[str]:
    with closing(sqlite3.connect(path)) as connection:
        return Counter(dict(connection.execute("SELECT status, count(*) FROM tasks GROUP BY 1")))


def rows(path: str, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(count)


def problems(path: str) -> list[str]:
    """What the doctor finds wrong with the contents."""
    return [finding.what for finding in inspect(path) if finding.severity == "problem"]


@pytest.mark.parametrize(("name", "level"), MODELS_AND_LEVELS)
def test_batches_are_in_the_file(name: str, level: Durability, tmp_path: Path) -> None:
    """Each task once, the first of each chain ready, with its edges."""
    path = str(tmp_path / "tasks.db")
    done = run(name, path, Load(producers=4, batch=20, rounds=3), level)
    assert done.tasks == 240
    assert len(done.latencies) == 12
    assert not any(latency.cut for latency in done.latencies)
    assert statuses(path) == {"ready": 24, "blocked": 216}
    assert rows(path, "edges") == 216
    assert problems(path) == []


@pytest.mark.parametrize(("name", "level"), MODELS_AND_LEVELS)
@pytest.mark.parametrize("batch", [1, 10])
def test_cycles_end_every_task(name: str, level: Durability, batch: int, tmp_path: Path) -> None:
    """Each task is completed once, by an attempt on record."""
    path = str(tmp_path / "tasks.db")
    done = run(name, path, Load(producers=4, batch=batch, cycle=True, rounds=3), level)
    assert done.tasks == 12 * batch
    assert statuses(path) == {"completed": 12 * batch}
    assert rows(path, "attempts") == 12 * batch
    assert problems(path) == []


@pytest.mark.parametrize("name", MODELS)
def test_what_was_synced_stays_when_calls_are_cut_off(name: str, tmp_path: Path) -> None:
    """On a disk so slow that most calls are cut off, the file holds all that was answered."""
    path = str(tmp_path / "tasks.db")
    load = Load(producers=16, batch=2, seconds=0.05, grace=0.05)
    done = run(name, path, load, disk=Disk("slow", 0.02))
    assert done.tasks > 0
    assert statuses(path).total() >= done.tasks
    assert problems(path) == []


@pytest.mark.parametrize("name", ["locked", "threaded", "direct"])
def test_one_call_is_one_commit(name: str, tmp_path: Path) -> None:
    """Nobody shares it: with 16 callers and 20 ms a commit, a tenth of a second is too short."""
    load = Load(producers=16, batch=1, seconds=0.05, grace=0.05)
    done = run(name, str(tmp_path / "tasks.db"), load, disk=Disk("slow", 0.02))
    assert any(latency.cut for latency in done.latencies)
    assert done.tasks < 16


@pytest.mark.parametrize("name", MODELS)
def test_a_chain_is_worked_off_in_its_order(name: str, tmp_path: Path) -> None:
    """A completion releases what waited for it, and nothing before; the file can go on with it."""
    path = str(tmp_path / "tasks.db")

    async def work(model: Model) -> None:
        made = await model.enqueue(linked_specs(3))
        done: list[int] = []
        while claims := await model.claim("worker", 10):
            assert len(claims) == 1
            done += [task.number for task in await model.complete(claims)]
        assert done == [task.number for task in made]
        late = TaskSpec("late", prerequisites=[made[0].id])
        (free,) = await model.enqueue([late])
        assert free.status is Status.READY
        (waiting,) = await model.enqueue([TaskSpec("later", prerequisites=[free.id])])
        assert waiting.status is Status.BLOCKED

    _with_model(name, path, work)
    store = open_sqlite(path)
    with closing(store):
        loaded = store.load()
    assert [task.status for task in loaded.tasks] == [Status.READY, Status.BLOCKED]
    assert loaded.durations["builder"].count == 3
    assert loaded.finished[Status.COMPLETED] == 3
    assert problems(path) == []


@pytest.mark.parametrize("name", MODELS)
def test_the_most_urgent_task_is_claimed_first(name: str, tmp_path: Path) -> None:
    """By base priority, and what a task passes on to the ones that it waits for in its batch."""

    async def work(model: Model) -> None:
        first = TaskSpec("first", base_priority=1)
        specs = [
            TaskSpec("low", base_priority=2),
            TaskSpec("high", base_priority=9),
            first,
            TaskSpec("needs first", base_priority=10, prerequisites=[first]),
        ]
        await model.enqueue(specs)
        claims = await model.claim("worker", 10)
        assert [claim.task.description for claim in claims] == ["first", "high", "low"]

    _with_model(name, str(tmp_path / "tasks.db"), work)


@pytest.mark.parametrize("name", MODELS)
def test_mistakes_are_refused_and_change_nothing(name: str, tmp_path: Path) -> None:
    """An unknown prerequisite, a claim that has ended."""
    path = str(tmp_path / "tasks.db")

    async def work(model: Model) -> None:
        with pytest.raises(UnknownPrerequisite):
            await model.enqueue([*open_specs(1), TaskSpec("x", prerequisites=["0000000000001"])])
        await model.enqueue(open_specs(1))
        claims = await model.claim("worker", 1)
        await model.complete(claims)
        if name != "pipelined":  # the product answers a repeated call as it did the first
            with pytest.raises(LeaseLost):
                await model.complete(claims)

    _with_model(name, path, work)
    assert statuses(path) == {"completed": 1}
    assert rows(path, "attempts") == 1
    assert problems(path) == []


def _with_model(name: str, path: str, work: Callable[[Model], Awaitable[None]]) -> None:
    opening, threads = MODELS[name]

    async def main() -> None:
        async with opening(path, "synced", REAL) as model:
            await work(model)

    if threads:
        driving.finished(main())
    else:
        trio.run(main)


def test_a_claim_without_memory_reads_and_sorts_no_more_than_it_takes(tmp_path: Path) -> None:
    """Nor does a completion read tasks that do not wait for it."""
    path = str(tmp_path / "tasks.db")
    run("direct", path, Load(producers=1, batch=10, rounds=1))
    with closing(sqlite3.connect(path)) as connection:
        plans = {
            statement: [
                row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            ]
            for statement, values in ((queries.BEST, (1,)), (queries.RELEASED, ("[1]",)))
        }
    assert plans[queries.BEST] == ["SCAN tasks USING INDEX tasks_turn"]
    released = plans[queries.RELEASED]
    assert any("rowid=?" in step for step in released if "tasks" in step)
    assert not any("TEMP B-TREE" in step for step in released)
