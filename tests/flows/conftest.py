"""A scheduler in memory, on a clock that jumps: a test that waits an hour takes no time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from inspect import iscoroutinefunction
from pathlib import Path

import pytest

from scheduler import Scheduler, testing

START = testing.START  # Unix seconds
virtual_wall = testing.wall_clock
run_on_virtual_time = testing.run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        ours = Path(__file__).parent in item.path.parents
        if ours and isinstance(item, pytest.Function) and iscoroutinefunction(item.function):
            item.add_marker(pytest.mark.trio(run=testing.run), append=False)


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    async with testing.open_scheduler() as opened:
        yield opened
