"""Recurring work on a file that several share."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from actors import commands as c
from actors.reply import Reply
from scheduler import InvalidRequest, TaskSpec, connect
from scheduler.domain.recurrence import Schedule
from scheduler.domain.request import checked


async def test_it_is_set_up_listed_and_stopped_from_anywhere(path: Path) -> None:
    """Whoever owns the file makes the tasks."""
    async with connect(path) as before:
        await before.every("1h", "sweep", name="a")
    async with connect(path) as owner, connect(path) as other:
        assert await other.every("1s", "sweep", name="b", catch_up="all") == "b"
        assert [each.name for each in await owner.schedules()] == ["a", "b"]
        (claim,) = await other.claim("w", wait=10)
        assert claim.task.key == f"b@{claim.task.id}"
        with pytest.raises(InvalidRequest) as unknown:
            await other.stop_schedule("c")
        assert (unknown.value.field, unknown.value.received) == ("name", "c")
        await other.stop_schedule("b")
        assert await owner.schedules() == await other.schedules()
        assert [each.name for each in await owner.schedules()] == ["a"]


async def test_the_next_owner_goes_on(path: Path) -> None:
    """Without a moment twice, and without one left out."""
    async with connect(path) as other:
        async with connect(path) as owner:
            await other.every("1s", "sweep", catch_up="all")
            await owner.claim("w", wait=10)
        (claim,) = await other.claim("w", wait=10)
        assert claim.task.not_before is not None
        tasks = (await other.list()).tasks
        moments = sorted(task.not_before.timestamp() for task in tasks if task.not_before)
        first = moments[0]
        assert moments == [pytest.approx(first + n, abs=1e-3) for n in range(len(tasks))]


@pytest.mark.parametrize(("when", "zone"), [("0s", "UTC"), ("x y", "UTC"), ("15m 1", "Mars")])
async def test_what_another_process_did_not_prove_is_refused(
    path: Path, when: str, zone: str
) -> None:
    """The owner lives on."""
    async with connect(path), connect(path) as other:
        schedule = Schedule("s", when, zone, "all", None, checked(TaskSpec("x")))
        with trio.fail_after(10):
            with pytest.raises(InvalidRequest):
                await other._door.ask(c.Every(schedule, Reply()))
            assert await other.schedules() == []
