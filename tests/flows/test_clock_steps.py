"""Somebody sets the clock of the machine: no lease lives longer, and none ends by it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from scheduler import LeaseLost, Scheduler, Status, open_scheduler

from .conftest import virtual_wall

Step = Callable[[float], None]


@asynccontextmanager
async def with_clock() -> AsyncIterator[tuple[Scheduler, Step]]:
    """A scheduler, and a way to set its clock by so many seconds."""
    off = 0.0

    def step(seconds: float) -> None:
        nonlocal off
        off += seconds

    async with open_scheduler(wall_clock=lambda: virtual_wall() + off) as scheduler:
        yield scheduler, step


@pytest.mark.parametrize("step", [-1.0, -3_600.0, -1e8])
async def test_a_step_back_revives_no_lease(step: float) -> None:
    """It ends when its seconds have passed, and its token is worth nothing then."""
    async with with_clock() as (scheduler, set_by):
        task = await scheduler.enqueue("work")
        (claim,) = await scheduler.claim("anna", lease=60)
        await trio.sleep(50)
        set_by(step)
        assert (await scheduler.get(task)).status is Status.RUNNING
        await trio.sleep(11)
        assert (await scheduler.get(task)).status is Status.READY
        with pytest.raises(LeaseLost):
            await scheduler.complete(claim)
        (other,) = await scheduler.claim("ben", lease=60)
        set_by(step)
        with pytest.raises(LeaseLost):
            await scheduler.heartbeat(claim)
        await scheduler.complete(other)


async def test_a_night_of_sleep_ends_no_lease() -> None:
    """Nobody could work, or be heard: every holder has its full time from then on."""
    async with with_clock() as (scheduler, set_by):
        await scheduler.enqueue("work")
        (claim,) = await scheduler.claim("anna", lease=60)
        await trio.sleep(50)
        set_by(8 * 3_600.0)
        await trio.sleep(50)
        assert await scheduler.claim("ben") == []
        await scheduler.complete(claim)


async def test_what_waits_for_a_time_waits_as_long_as_it_should() -> None:
    """A step back does not hold it up by an hour."""
    async with with_clock() as (scheduler, set_by):
        await scheduler.enqueue("work")
        (claim,) = await scheduler.claim("anna")
        await scheduler.fail(claim, "again", retry_after=30)
        set_by(-3_600.0)
        with trio.fail_after(40):
            (again,) = await scheduler.claim("anna", wait=35)
        assert again.task.attempt == 2
