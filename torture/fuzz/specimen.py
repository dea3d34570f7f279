"""A sound database with something of everything in it, and what a scheduler tells of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import trio
from msgspec.structs import astuple

from scheduler import Scheduler, TaskSpec, testing
from scheduler.domain.task import COLUMNS

TASKS = 120
PAGE = 4_096
AHEAD = 90.0  # seconds that the specimen is older than whoever opens it
HELD = 3_600.0  # seconds of its leases

Files = dict[str, bytes]  # by what stands behind the name of the database: "", "-wal", ".lock"


class Told(msgspec.Struct):
    """What a scheduler says of a file, as values that can be compared."""

    tasks: dict[str, tuple[Any, ...]] = {}  # by id: the columns, then the edges
    attempts: dict[str, list[Any]] = {}
    dependents: dict[str, list[Any]] = {}
    counts: dict[str, int] = {}
    paused: tuple[str, ...] = ()
    limits: list[Any] = []
    schedules: list[Any] = []
    feed: list[str] = []


class Specimen(msgspec.Struct):
    """The files at rest, the same with a log beside them, and what they tell."""

    at_rest: Files
    with_log: Files
    told: Told


def make(folder: Path) -> Specimen:
    """A sound specimen, the same every time."""
    path = folder / "specimen.db"
    testing.run(_enqueue, path)
    with_log = testing.run(_go_on, path)
    at_rest = _files_of(path)
    again = folder / "again.db"
    again.write_bytes(at_rest[""])
    return Specimen(at_rest, with_log, testing.run(_look_at, again))


async def _enqueue(path: Path) -> None:
    async with testing.open_scheduler(path, durability="committed") as scheduler:
        await _settings(scheduler)
        await scheduler.enqueue_many(_specs())
        await scheduler.enqueue("Keyed ünïcode ☂", key="once", group="g", limit_key="api")


async def _go_on(path: Path) -> Files:
    """Claim and end some of the tasks; the files as they are before the scheduler closes."""
    async with testing.open_scheduler(path, durability="committed", seed=1) as scheduler:
        for _ in range(4):
            for place, claim in enumerate(await scheduler.claim("anna", limit=12, lease=HELD)):
                await _end(scheduler, claim, place)
        (last,) = (await scheduler.list(status="blocked", limit=1)).tasks
        await scheduler.cancel(last)
        await scheduler.retry(last)
        await trio.sleep(1.5)  # for what is written lazily
        return _files_of(path)


async def _settings(scheduler: Scheduler) -> None:
    await scheduler.pause("idle")
    await scheduler.set_limit(agent_type="build", concurrency=50)
    await scheduler.set_limit(limit_key="api", starts=10, per=60.0)
    await scheduler.set_share("g", 2.0)
    await scheduler.every("1h", "Tidy up", agent_type="build", payload={"deep": True})
    await scheduler.every("0 9 * * MON-FRI", "Report", timezone="Europe/Berlin")


def _specs() -> list[TaskSpec]:
    """A graph of layers; long texts, so that pages overflow and B-trees have a middle."""
    specs: list[TaskSpec] = []
    soon = testing.now() + timedelta(hours=2)
    for place in range(TASKS):
        before = specs[-12:-8] if place % 3 == 0 else []
        specs.append(
            TaskSpec(
                f"Task {place} " + "long story " * (500 if place % 30 == 7 else place % 4),
                agent_type=("build", "test", "idle")[place % 3 if before == [] else 0],
                prerequisites=before if place % 2 else [],
                run_after=[] if place % 2 else before,
                base_priority=place % 11,
                payload={"place": place, "text": "x" * (place % 7)},
                group=f"group {place % 4}" if place % 2 else None,
                key=f"key {place}" if place % 6 == 0 else None,
                deadline=soon if place % 8 == 0 else None,
                not_before=soon if place % 13 == 5 else None,
                timeout=60.0 if place % 9 == 0 else None,
            )
        )
    return specs


async def _end(scheduler: Scheduler, claim: Any, place: int) -> None:
    match place % 5:
        case 0 | 1:
            await scheduler.complete(claim, {"made": "y" * place})
        case 2:
            await scheduler.fail(claim, f"error {place}", retryable=place % 2 == 0)
        case 3:
            await scheduler.heartbeat(claim, progress=0.5, note="half")
        case _:
            await scheduler.release(claim)


def _files_of(path: Path) -> Files:
    ends = ("", "-wal", "-shm", ".lock")
    files = {end: Path(f"{path}{end}") for end in ends}
    return {end: file.read_bytes() for end, file in files.items() if file.exists()}


async def _look_at(path: Path) -> Told:
    async with opened(path) as scheduler:
        return await look(scheduler)


def opened(path: Path) -> Any:
    """Open it as a scheduler that comes a little later than the one that made the specimen."""
    return testing.open_scheduler(
        path,
        durability="committed",
        wall_clock=lambda: testing.wall_clock() + AHEAD,
    )


async def look(scheduler: Scheduler) -> Told:
    """Everything that can be asked for without a change. Raises SchedulerError."""
    told = Told()
    page = await scheduler.list(limit=500)
    pages = [*page.tasks]
    while page.has_more and len(pages) < 100_000:
        page = await scheduler.list(limit=500, cursor=page.cursor)
        pages += page.tasks
    for task in pages:
        details = await scheduler.details(task)
        told.tasks[task.id] = (
            *astuple(details.task)[: len(COLUMNS)],
            tuple(sorted(details.task.requires)),
            tuple(sorted(details.task.follows)),
        )
        told.attempts[task.id] = [astuple(attempt) for attempt in details.attempts]
        told.dependents[task.id] = sorted(str(astuple(other)) for other in details.dependents)
        _read_all(details)
    status = await scheduler.queue_status()
    told.counts = {str(name): count for name, count in status.counts.items()}
    told.paused = status.paused
    told.limits = [astuple(limit) for limit in await scheduler.limits()]
    told.schedules = [astuple(schedule) for schedule in await scheduler.schedules()]
    told.feed = [change.task.id for change in (await scheduler.read_changes(0))[0]]
    return told


def _read_all(details: Any) -> None:
    """What a client shows: moments, ids, and texts of JSON are made when they are asked for."""
    task = details.task
    _ = (task.payload, task.result, task.lease, task.created_at, task.deadline, task.not_before)
    _ = (task.ready_at, task.started_at, task.finished_at, task.parent_id, task.cause)


WORK: tuple[Callable[[Scheduler], Awaitable[Any]], ...] = (
    lambda scheduler: scheduler.enqueue("one more", key="fuzz", group="group 1"),
    lambda scheduler: scheduler.execution_plan(workers=3),
    lambda scheduler: scheduler.why_idle(),
    lambda scheduler: scheduler.pause("test"),
    lambda scheduler: scheduler.flush(),
)


async def work(scheduler: Scheduler) -> int:
    """A little of everything that changes the file; how many tasks were claimed and ended."""
    ended = 0
    for step in WORK:
        await step(scheduler)
    for _ in range(20):
        claims = await scheduler.claim("ben", limit=20, lease=60)
        for claim in claims:
            await scheduler.complete(claim, {"by": "ben"})
            ended += 1
        if not claims:
            break
    await trio.sleep(4_000)  # leases end, schedules come round, old tasks are looked at
    await scheduler.queue_status()
    return ended
