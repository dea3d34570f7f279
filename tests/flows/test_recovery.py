"""A restart derives every status anew, as the doctor's advice says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from scheduler import Status, Task, testing

from .conftest import virtual_wall


async def _chain(path: Path) -> tuple[Task, Task, Task]:
    """Three tasks, each waiting for the one before it."""
    async with testing.open_scheduler(path, wall_clock=virtual_wall) as scheduler:
        first = await scheduler.enqueue("first")
        second = await scheduler.enqueue("second", prerequisites=[first])
        third = await scheduler.enqueue("third", prerequisites=[second])
        return first, second, third


def _edit(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.execute(statement, values)


async def test_a_task_that_waits_for_nothing_is_opened(tmp_path: Path) -> None:
    """Whoever deleted its edge, or the row of what it waited for, meant no more than that."""
    path = tmp_path / "tasks.db"
    _, second, _ = await _chain(path)
    _edit(path, "DELETE FROM edges WHERE task = ?", second.number)
    async with testing.open_scheduler(path, wall_clock=virtual_wall) as scheduler:
        assert (await scheduler.get(second)).status is Status.READY
        assert len(await scheduler.claim("w", limit=5)) == 2
    async with testing.open_scheduler(path, wall_clock=virtual_wall) as scheduler:
        assert (await scheduler.get(second)).status is Status.RUNNING


async def test_what_a_dead_task_holds_down_falls(tmp_path: Path) -> None:
    """With all that depends on it, and the reason in each."""
    path = tmp_path / "tasks.db"
    first, second, third = await _chain(path)
    _edit(
        path,
        "UPDATE tasks SET status = 'failed', finished_s = 1.0, error = 'by hand' WHERE id = ?",
        first.number,
    )
    async with testing.open_scheduler(path, wall_clock=virtual_wall) as scheduler:
        for task in (second, third):
            fallen = await scheduler.get(task)
            assert (fallen.status, fallen.cause) == (Status.CANCELLED, first.id)
            assert fallen.error == f"prerequisite {first.id} failed"
        assert await scheduler.claim("w") == []
