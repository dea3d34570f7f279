"""A scheduler on a clock that jumps, and what it tells."""

from __future__ import annotations

from collections.abc import AsyncIterator
from inspect import iscoroutinefunction
from pathlib import Path

import pytest

from scheduler import Scheduler, testing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        asynchronous = iscoroutinefunction(getattr(item, "obj", None))
        if asynchronous and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.trio(run=testing.run), append=False)


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    async with testing.open_scheduler() as opened:
        yield opened
