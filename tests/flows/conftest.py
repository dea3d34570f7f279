"""A scheduler in memory, on a clock that jumps: a test that waits an hour takes no time."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio

from scheduler import Scheduler, testing

T = TypeVar("T")

START = testing.START  # Unix seconds
virtual_wall = testing.wall_clock
PATIENCE = 60.0  # real seconds until a test that waits for ever fails


def run_on_virtual_time(function: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T:
    """`testing.run`, with an end in real time: a deadline in virtual time would be jumped to."""

    async def bounded() -> T:
        token = trio.lowlevel.current_trio_token()
        with trio.CancelScope() as scope:
            timer = threading.Timer(PATIENCE, token.run_sync_soon, (scope.cancel,))
            timer.start()
            try:
                return await function(*args)
            finally:
                timer.cancel()
        raise TimeoutError(f"the test did not end within {PATIENCE:g} s")

    return testing.run(bounded, **options)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        ours = Path(__file__).parent in item.path.parents
        if ours and isinstance(item, pytest.Function) and iscoroutinefunction(item.function):
            item.add_marker(pytest.mark.trio(run=run_on_virtual_time), append=False)


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    async with testing.open_scheduler() as opened:
        yield opened
