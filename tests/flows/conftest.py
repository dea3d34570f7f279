"""A scheduler in memory, on a clock that jumps: a test that waits an hour takes no time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from trio.abc import Instrument
from trio.testing import MockClock

from scheduler import Scheduler, open_scheduler

T = TypeVar("T")
START = 1_800_000_000.0  # Unix seconds


def virtual_wall() -> float:
    """A wall clock that goes with Trio's."""
    return START + trio.current_time()


def run_on_virtual_time(
    main: Callable[[], Awaitable[T]], clock: None = None, instruments: Sequence[Instrument] = ()
) -> T:
    """`trio.run` on a clock that jumps to the next timeout whenever everybody waits."""
    return trio.run(main, clock=MockClock(autojump_threshold=0), instruments=instruments)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        ours = Path(__file__).parent in item.path.parents
        if ours and isinstance(item, pytest.Function) and iscoroutinefunction(item.function):
            item.add_marker(pytest.mark.trio(run=run_on_virtual_time), append=False)


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    async with open_scheduler(wall_clock=virtual_wall) as opened:
        yield opened
