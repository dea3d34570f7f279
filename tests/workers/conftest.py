"""Handlers under test: on a virtual clock where a module says so, on the real one where not."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from inspect import iscoroutinefunction
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trio

from scheduler import Scheduler, Task, open_scheduler
from tests.flows.conftest import run_on_virtual_time, virtual_wall


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        module = getattr(item, "module", None)
        here = Path(__file__).parent in item.path.parents and isinstance(module, ModuleType)
        function = getattr(item, "function", None)
        if here and getattr(module, "VIRTUAL_TIME", False) and iscoroutinefunction(function):
            item.add_marker(pytest.mark.trio(run=run_on_virtual_time), append=False)


@pytest.fixture
async def scheduler(request: pytest.FixtureRequest) -> AsyncIterator[Scheduler]:
    """One in memory, on the clock of the module."""
    virtual = getattr(request.module, "VIRTUAL_TIME", False)
    async with open_scheduler(wall_clock=virtual_wall if virtual else time.time) as opened:
        yield opened


@asynccontextmanager
async def working(scheduler: Scheduler, lease: float = 60.0) -> AsyncIterator[trio.CancelScope]:
    """Workers run within the block; they are cancelled at its end."""
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await scheduler.run_workers(lease=lease)

        nursery.start_soon(run)
        try:
            yield scope
        finally:
            scope.cancel()


async def until(condition: Callable[[], object]) -> None:
    """Return when it holds; for the real clock."""
    with trio.fail_after(10):
        while not condition():
            await trio.sleep(0.01)


async def work_off(scheduler: Scheduler, *descriptions: str, **fields: Any) -> list[Task]:
    """Enqueue tasks, run the workers until idle; the tasks as they are then."""
    made = [await scheduler.enqueue(text, **fields) for text in descriptions]
    with trio.fail_after(100_000):
        await scheduler.run_workers(until_idle=True)
    return [await scheduler.get(task) for task in made]
