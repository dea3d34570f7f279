"""Recurring work as a program meets it, over restarts, outages and jumps of the clock."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import trio

from persistence.memory import MemoryStore
from scheduler import (
    InvalidRequest,
    Scheduler,
    Status,
    StoreUnavailable,
    TaskSpec,
    TooLarge,
    open_scheduler,
)
from scheduler.domain import schedule_checks
from tests.support.stores import FailingStore

from .conftest import START, virtual_wall

MINUTE = 60.0
QUARTER = 15 * MINUTE


async def moments(scheduler: Scheduler) -> list[float]:
    """Of all tasks, in minutes since the start."""
    tasks = (await scheduler.list(limit=500)).tasks
    stamps = [task.not_before.timestamp() for task in tasks if task.not_before]
    return sorted((stamp - START) / MINUTE for stamp in stamps)


async def test_a_task_comes_every_quarter_of_an_hour(scheduler: Scheduler) -> None:
    """A claim that waits gets it the moment it is made, and its key says where it comes from."""
    name = await scheduler.every("15m", "sweep", agent_type="janitor", deadline_after=60)
    assert name == "sweep (15m)"
    for _ in range(3):
        (claim,) = await scheduler.claim("w", ["janitor"], wait=1_000)
        task = claim.task
        assert task.key == f"{name}@{task.id}"
        assert task.not_before == task.created_at
        assert task.deadline is not None
        assert (task.deadline - task.created_at).total_seconds() == 60
        await scheduler.complete(claim)
    assert await moments(scheduler) == [15, 30, 45]


async def test_schedules_are_listed(scheduler: Scheduler) -> None:
    """By name, with the next moment and the newest task."""
    spec = TaskSpec("build", agent_type="builder", group="nightly builds")
    await scheduler.every("0 9 * * *", spec, name="b", timezone="Europe/Berlin", catch_up="all")
    await scheduler.every("10m", "sweep", name="a")
    await trio.sleep(10 * MINUTE + 1)
    sweep, build = await scheduler.schedules()
    (made,) = (await scheduler.list()).tasks
    assert (sweep.name, sweep.last_task_id) == ("a", made.id)
    assert sweep.next_at is not None
    assert sweep.next_at.timestamp() == START + 20 * MINUTE
    assert (build.when, build.timezone, build.catch_up) == ("0 9 * * *", "Europe/Berlin", "all")
    assert (build.summary, build.agent_type, build.group) == ("build", "builder", "nightly builds")
    assert build.next_at is not None
    assert build.next_at.strftime("%d %H:%M") == "16 08:00"
    assert build.last_task_id is None


async def test_what_is_stopped_comes_no_more(scheduler: Scheduler) -> None:
    """Its tasks stay; a name that nothing has is refused with the nearest."""
    await scheduler.every("10m", "sweep", name="sweep")
    await trio.sleep(10 * MINUTE + 1)
    with pytest.raises(InvalidRequest) as caught:
        await scheduler.stop_schedule("swepe")
    assert (caught.value.field, caught.value.hint) == ("name", "Did you mean 'sweep'?")
    await scheduler.stop_schedule("sweep")
    await trio.sleep(3_600)
    assert await scheduler.schedules() == []
    assert await moments(scheduler) == [10]


async def test_saying_it_again(scheduler: Scheduler) -> None:
    """The same changes nothing, other content comes at the old pace, another `when` from now."""
    await scheduler.every("15m", "sweep", name="s")
    await trio.sleep(5 * MINUTE)
    await scheduler.every("15m", "sweep", name="s")
    await trio.sleep(5 * MINUTE)
    await scheduler.every("15m", "scrub", name="s")
    await trio.sleep(6 * MINUTE)
    await scheduler.every("20m", "scrub", name="s")
    await trio.sleep(20 * MINUTE + 1)
    assert await moments(scheduler) == [15, 36]
    assert {task.summary for task in (await scheduler.list()).tasks} == {"scrub"}


async def test_there_is_a_bound(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """For those who make up a new name at each start."""
    monkeypatch.setattr("actors.recurring.SCHEDULES", 2)
    await scheduler.every("1h", "a")
    await scheduler.every("1h", "b")
    with pytest.raises(TooLarge):
        await scheduler.every("1h", "c")
    await scheduler.every("1h", "b")
    assert schedule_checks.SCHEDULES == 1_000


@pytest.mark.parametrize(
    ("when", "fields", "field"),
    [
        ("15 mins", {}, "when"),
        ("61 * * * *", {}, "when"),
        ("15m", {"timezone": "Mars"}, "timezone"),
        ("15m", {"catch_up": "always"}, "catch_up"),
        ("15m", {"key": "k"}, "key"),
        ("15m", {"prioritty": 3}, "prioritty"),
    ],
)
async def test_a_mistake_is_refused(
    scheduler: Scheduler, when: str, fields: dict[str, str], field: str
) -> None:
    """Where it is made, and nothing is set up."""
    with pytest.raises(InvalidRequest) as caught:
        await scheduler.every(when, "x", **fields)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert await scheduler.schedules() == []


# ------------------------------------------------------------------- restarts


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [("skip", [15, 75, 90]), ("once", [15, 30, 75, 90]), ("all", [15, 30, 45, 60, 75, 90])],
)
async def test_over_a_restart(tmp_path: Path, catch_up: str, expected: list[float]) -> None:
    """What was missed in 55 minutes is made or not; the pace is kept."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        await scheduler.every("15m", "sweep", name="s", catch_up=catch_up)  # type: ignore[arg-type]
        await trio.sleep(16 * MINUTE)
    await trio.sleep(55 * MINUTE)
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        await scheduler.every("15m", "sweep", name="s", catch_up=catch_up)  # type: ignore[arg-type]
        await trio.sleep(20 * MINUTE)
        assert await moments(scheduler) == expected


async def test_a_quick_restart_misses_nothing(tmp_path: Path) -> None:
    """A moment within the last minute is only late."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        await scheduler.every("15m", "sweep")
        await trio.sleep(QUARTER - 1)
    await trio.sleep(30)
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        await trio.sleep(1)
        assert await moments(scheduler) == [15]


async def test_a_schedule_that_was_stopped_stays_stopped(tmp_path: Path) -> None:
    """Over a restart as well."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        await scheduler.every("15m", "sweep", name="s")
        await scheduler.stop_schedule("s")
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        await trio.sleep(3_600)
        assert await scheduler.schedules() == []
        assert await moments(scheduler) == []


async def test_a_time_zone_that_is_not_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The file opens, a warning tells, and at the next start it goes on."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        await scheduler.every("*/15 * * * *", "sweep", timezone="Europe/Berlin", catch_up="all")
    with monkeypatch.context() as patch:
        patch.setattr("scheduler.domain.timing.ZoneInfo", _no_zones)
        async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
            await trio.sleep(QUARTER + 1)
            (schedule,) = await scheduler.schedules()
            assert schedule.next_at is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        await trio.sleep(1)
        assert await moments(scheduler) == [15 - START / MINUTE % 15]


def _no_zones(name: str) -> None:
    raise KeyError(name)


# ------------------------------------------------------------------- outages and clocks


@pytest.mark.parametrize(("catch_up", "expected"), [("skip", [5, 60, 61]), ("all", range(5, 62))])
async def test_an_outage_of_the_store(catch_up: str, expected: list[float]) -> None:
    """One task is made and waits to be saved; the rest is as after a restart."""
    store = FailingStore(MemoryStore())
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
        await scheduler.every("1m", "sweep", catch_up=catch_up)  # type: ignore[arg-type]
        await trio.sleep(4 * MINUTE + 30)
        for claim in await scheduler.claim("w", limit=4):
            await scheduler.complete(claim)
        store.failing = True
        await trio.sleep(56 * MINUTE)
        store.failing = False
        await trio.sleep(MINUTE)
        assert (await moments(scheduler))[4:] == list(expected)


async def test_an_outage_does_not_stop_a_schedule_that_is_told_to_stop() -> None:
    """The caller hears that the outcome is unknown, and it is stopped."""
    store = FailingStore(MemoryStore())
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
        await scheduler.every("1m", "sweep", name="s", catch_up="all")
        store.failing = True
        await trio.sleep(5 * MINUTE)
        with pytest.raises(StoreUnavailable):
            await scheduler.stop_schedule("s")
        store.failing = False
        await trio.sleep(5 * MINUTE)
        assert await scheduler.schedules() == []
        assert await moments(scheduler) == [1]


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [("skip", [10, 40]), ("once", [10, 20, 40]), ("all", [10, 20, 30, 40])],
)
async def test_a_full_queue(catch_up: str, expected: list[float]) -> None:
    """A moment that finds no room is tried again until it counts as missed."""
    async with open_scheduler(wall_clock=virtual_wall, max_unfinished=1) as scheduler:
        await scheduler.every("10m", "sweep", catch_up=catch_up)  # type: ignore[arg-type]
        await trio.sleep(35 * MINUTE)
        assert await moments(scheduler) == [10]
        while (await scheduler.queue_status()).counts[Status.READY]:
            for claim in await scheduler.claim("w", limit=10):
                await scheduler.complete(claim)
            await trio.sleep(6)
        await trio.sleep(5 * MINUTE)
        assert await moments(scheduler) == expected


async def test_room_within_a_minute_is_in_time() -> None:
    """A short crowd delays a task, and does not cost it."""
    async with open_scheduler(wall_clock=virtual_wall, max_unfinished=1) as crowded:
        await crowded.every("10m", "sweep")
        other = await crowded.enqueue("other")
        await trio.sleep(10 * MINUTE + 30)
        await crowded.cancel(other)
        (claim,) = await crowded.claim("w", wait=6)
        assert claim.task.summary == "sweep"


async def test_a_night_of_sleep() -> None:
    """The wall clock jumps while timers stand still: it is noticed within half a minute."""
    slept = 0.0

    def wall() -> float:
        return virtual_wall() + slept

    async with open_scheduler(wall_clock=wall) as scheduler:
        await scheduler.every("1h", "skipped", name="a")
        await scheduler.every("1h", "made up", name="b", catch_up="once")
        await trio.sleep(10 * MINUTE)
        slept = 8 * 3_600 + 10 * MINUTE
        await trio.sleep(31)
        (task,) = (await scheduler.list()).tasks
        assert task.summary == "made up"
        await trio.sleep(40 * MINUTE)
        assert await moments(scheduler) == [60, 540, 540]


async def test_a_clock_that_is_set_back() -> None:
    """Nothing comes twice; time goes on from where it was."""
    back = 0.0

    def wall() -> float:
        return virtual_wall() - back

    async with open_scheduler(wall_clock=wall) as scheduler:
        await scheduler.every("10m", "sweep", catch_up="all")
        await trio.sleep(25 * MINUTE)
        back = 20 * MINUTE
        await trio.sleep(10 * MINUTE)
        assert await moments(scheduler) == [10, 20, 30]


async def test_without_schedules_nothing_wakes(scheduler: Scheduler) -> None:
    """A scheduler that has none does not look at the clock for them."""
    ingest = scheduler._door._ingest  # type: ignore[attr-defined]
    assert ingest.due() == float("inf")
    await scheduler.every("1h", "sweep", name="s")
    assert ingest.due() < float("inf")
    await scheduler.stop_schedule("s")
    assert ingest.due() == float("inf")


async def test_accepted_tasks_are_made_at_the_same_pace(tmp_path: Path) -> None:
    """Where answers do not wait for the disk, a schedule still does."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(
        path, durability="accepted", timer=None, wall_clock=virtual_wall
    ) as scheduler:
        await scheduler.every("1m", "sweep")
        await trio.sleep(10 * MINUTE + 1)
        assert await moments(scheduler) == list(range(1, 11))


async def test_the_example_of_the_page(scheduler: Scheduler) -> None:
    """Word for word."""
    page = (Path(__file__).parents[2] / "docs" / "recurring.md").read_text()
    example = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert example is not None
    names: dict[str, Any] = {"TaskSpec": TaskSpec}
    exec(f"async def main(scheduler):\n{indent(example[1], '    ')}", names)
    await names["main"](scheduler)
    assert [each.when for each in await scheduler.schedules()] == ["15m"]
