"""A handler that blocks the loop is told by its name, and where it does so."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest
import trio
import trio.lowlevel
from trio.lowlevel import checkpoint

from scheduler import Job, Scheduler
from scheduler.workers import watchdog

from .conftest import work_off


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "BLOCKED_AFTER", 0.1)
    monkeypatch.setattr(watchdog, "LOOK_EVERY", 0.02)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.message
        for record in caplog.records
        if record.name == "headrace.workers" and record.levelno == logging.WARNING
    ]


async def aio_checkpoint() -> None:
    await asyncio.sleep(0)


def dawdle() -> None:
    time.sleep(0.4)


@pytest.mark.parametrize(("kind", "pause"), [("trio", checkpoint), ("asyncio", aio_checkpoint)])
async def test_who_blocks_the_loop(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture, kind: Any, pause: Any
) -> None:
    """Once: the handler, its task, the line that runs, and the handler's own line."""

    @scheduler.handler("general", kind=kind)
    async def slow(job: Job) -> None:
        await pause()
        dawdle()

    (task,) = await work_off(scheduler, "work")
    (told,) = warnings(caplog)
    inner, own = dawdle.__code__.co_firstlineno + 1, slow.__code__.co_firstlineno + 3
    assert "slow for 'general' has blocked the Trio loop" in told
    assert task.id in told
    assert f"at {__file__}:{inner}, called from {__file__}:{own}." in told


async def test_what_is_no_handler(scheduler: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    """Something else on the loop is told with its line."""

    @scheduler.handler("general")
    async def wait(job: Job) -> None:
        await trio.sleep(0.5)

    async with trio.open_nursery() as nursery:

        async def block() -> None:
            await trio.sleep(0.1)
            dawdle()

        nursery.start_soon(block)
        await work_off(scheduler, "work")
    (told,) = warnings(caplog)
    assert told.startswith("something has blocked the Trio loop")
    assert f"at {__file__}:{dawdle.__code__.co_firstlineno + 1}" in told


async def test_waiting_blocks_nobody(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    @scheduler.handler("general")
    async def wait(job: Job) -> None:
        await trio.sleep(0.4)

    await work_off(scheduler, "work")
    assert warnings(caplog) == []
