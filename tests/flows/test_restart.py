"""What a file remembers when the scheduler is opened on it again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import trio

from scheduler import (
    DependencyCycle,
    SequenceTooOld,
    Status,
    StoreLocked,
    TaskSpec,
    UnknownTask,
    open_scheduler,
)

from .conftest import virtual_wall


async def test_everything_unfinished_is_there_again(tmp_path: Path) -> None:
    """Tasks, edges, order, results, durations and paused lanes survive a restart."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        first = TaskSpec("first", key="k", group="g", payload=[1])
        second = TaskSpec("second", prerequisites=[first], agent_type="builder")
        third = TaskSpec("third", run_after=[second], base_priority=9)
        made = await scheduler.enqueue_many([first, second, third])
        (claim,) = await scheduler.claim("w")
        await trio.sleep(7)
        await scheduler.complete(claim, {"made": "x"})
        await scheduler.pause("reviewer")
        before = await scheduler.queue_status()

    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        after = await scheduler.queue_status()
        assert after.counts == before.counts
        assert (after.sequence, after.paused) == (before.sequence, ("reviewer",))
        assert (await scheduler.enqueue("first", key="k", group="g", payload=[1])).existing
        (claim,) = await scheduler.claim("w")
        assert (claim.task.id, claim.results) == (made[1].id, {made[0].id: {"made": "x"}})
        await scheduler.complete(claim)
        (claim,) = await scheduler.claim("w")
        assert claim.task.id == made[2].id
        assert (await scheduler.enqueue("learned")).estimated_duration == pytest.approx(7, abs=0.5)
        assert (await scheduler.enqueue("later")).number > made[2].number


async def test_a_lease_that_a_heartbeat_made_longer_is_longer_after_a_kill(tmp_path: Path) -> None:
    """Its holder was told until when it lasts, so nobody gets the task before that."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(path, wall_clock=virtual_wall) as scheduler:
        await scheduler.enqueue("work")
        (claim,) = await scheduler.claim("w", lease=2)
        end = await scheduler.heartbeat(claim, lease=60)
        shutil.copytree(tmp_path, tmp_path / "killed")  # what a kill leaves in this moment
    killed = tmp_path / "killed" / "tasks.db"
    async with open_scheduler(killed, wall_clock=virtual_wall) as scheduler:
        seconds = end.timestamp() - virtual_wall()
        assert await scheduler.claim("other", wait=seconds - 1) == []
        assert await scheduler.claim("other", wait=2)


async def test_a_lease_gets_its_full_time_after_a_restart(tmp_path: Path) -> None:
    """A worker that goes on while the scheduler restarts keeps its task."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        await scheduler.enqueue("work")
        (claim,) = await scheduler.claim("w", lease=60)
    await trio.sleep(3600)
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        await trio.sleep(50)
        assert await scheduler.claim("other") == []
        ended = await scheduler.complete(claim)
        assert ended.task.status is Status.COMPLETED


async def test_a_lease_whose_worker_died_too_is_freed(tmp_path: Path) -> None:
    """After that grace the task is another's."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        await scheduler.enqueue("work")
        await scheduler.claim("w", lease=60)
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        (claim,) = await scheduler.claim("other", wait=120)
        assert claim.task.attempt == 2


async def test_one_process_opens_a_file_once(tmp_path: Path) -> None:
    """A second scheduler on the same file is refused, also within one process."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(path) as scheduler:
        await scheduler.enqueue("x")
        with pytest.raises(StoreLocked):
            async with open_scheduler(path):
                pass
        await scheduler.enqueue("y")
    async with open_scheduler(path) as scheduler:
        assert (await scheduler.queue_status()).total_tasks == 2


async def test_accepted_changes_are_written_behind(tmp_path: Path) -> None:
    """In `accepted` mode answers do not wait; closing saves everything."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(
        path, durability="accepted", timer=None, wall_clock=virtual_wall
    ) as scheduler:
        for n in range(50):
            await scheduler.enqueue(f"task {n}")
        assert (await scheduler.queue_status()).unsaved > 0
        await scheduler.flush()
        assert (await scheduler.queue_status()).unsaved == 0
        for claim in await scheduler.claim("w", limit=10):
            await scheduler.complete(claim)
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        counts = (await scheduler.queue_status()).counts
        assert (counts[Status.READY], counts[Status.COMPLETED]) == (40, 10)


async def test_accepted_answers_wait_when_too_much_is_unsaved(tmp_path: Path) -> None:
    """A crash can take `max_unsaved` acknowledged changes, and no more."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(
        path, durability="accepted", max_unsaved=10, timer=None, wall_clock=virtual_wall
    ) as scheduler:
        await scheduler.enqueue_many([TaskSpec(f"task {n}") for n in range(11)])
        assert (await scheduler.queue_status()).unsaved == 0
        await scheduler.enqueue_many([TaskSpec(f"task {n}") for n in range(10)])
        assert (await scheduler.queue_status()).unsaved == 10


async def test_what_was_retried_stays_open(tmp_path: Path) -> None:
    """Re-opened tasks and added edges are on record like any other change."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        root = TaskSpec("root")
        leaf = TaskSpec("leaf", prerequisites=[root])
        made = await scheduler.enqueue_many([root, leaf])
        await scheduler.cancel(made[0])
        await scheduler.retry(made[0], cascade=True)
        other = await scheduler.enqueue("other")
        await scheduler.add_prerequisites(made[0], [other])
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        assert (await scheduler.get(made[0])).prerequisites == (other.id,)
        for expected in (other, made[0], made[1]):
            (claim,) = await scheduler.claim("w")
            assert claim.task.id == expected.id
            await scheduler.complete(claim)


async def test_finished_tasks_are_forgotten_after_the_retention(tmp_path: Path) -> None:
    """Except those that an unfinished task depends on; the feed says where it begins now."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(
        path, timer=None, wall_clock=virtual_wall, retention=86_400
    ) as scheduler:
        old = await scheduler.enqueue("old")
        needed = await scheduler.enqueue("needed")
        for claim in await scheduler.claim("w", limit=2):
            await scheduler.complete(claim)
        gate = await scheduler.enqueue("gate")
        waiting = await scheduler.enqueue("waiting", prerequisites=[needed, gate])
        await trio.sleep(2 * 86_400)
        with pytest.raises(UnknownTask):
            await scheduler.get(old)
        assert (await scheduler.get(needed)).status is Status.COMPLETED
        status = await scheduler.queue_status()
        assert status.total_tasks == 3
        with pytest.raises(SequenceTooOld):
            await scheduler.read_changes(1)
        changes, _ = await scheduler.read_changes(0)
        assert {c.task.id for c in changes} == {needed.id, gate.id, waiting.id}
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        assert (await scheduler.queue_status()).counts == status.counts


async def test_the_number_of_a_pause_is_not_given_out_again(tmp_path: Path) -> None:
    """A reader who heard of it, and of nothing after it, misses nothing after a restart."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        await scheduler.enqueue("first")
        await scheduler.pause("builder")
        _, since = await scheduler.read_changes(1)
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        task = await scheduler.enqueue("second")
        changes, _ = await scheduler.read_changes(since)
        assert [change.task.id for change in changes] == [task.id]


async def test_tasks_that_were_reopened_make_no_circle_on_record(tmp_path: Path) -> None:
    """A file can always be opened again: what waited before a restart waits after it."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(path, wall_clock=virtual_wall) as scheduler:
        first, gate = await scheduler.enqueue_many([TaskSpec("first"), TaskSpec("gate")])
        last = await scheduler.enqueue("last", prerequisites=[gate], run_after=[first])
        await scheduler.cancel(first)
        await scheduler.retry(first)
        with pytest.raises(DependencyCycle):
            await scheduler.add_prerequisites(first, [last])
        before = await scheduler.explain(last)
    async with open_scheduler(path, wall_clock=virtual_wall) as scheduler:
        assert (await scheduler.explain(last)).blocked_by == before.blocked_by


async def test_a_retry_leaves_the_depth_as_it_was(tmp_path: Path) -> None:
    """It tells of the day the task was enqueued, in memory as on record."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(path, wall_clock=virtual_wall) as scheduler:
        gate, last = await scheduler.enqueue_many([TaskSpec("gate"), TaskSpec("last")])
        await scheduler.add_prerequisites(last, [gate])
        await scheduler.cancel(last)
        await scheduler.retry(last)
        (listed, _) = (await scheduler.list()).tasks
        assert listed.dependency_depth == (await scheduler.get(last)).dependency_depth == 0
        assert (await scheduler.queue_status()).max_depth == 0


async def test_the_log_stays_small_however_much_is_written(tmp_path: Path) -> None:
    """It is brought into the file every now and then, and written over from its start."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(
        path, durability="committed", timer=None, wall_clock=virtual_wall
    ) as scheduler:
        for _ in range(100):
            await scheduler.enqueue_many([TaskSpec("x" * 60_000) for _ in range(4)])
        # 400 tasks of 60 kB are 24 MB, and more pages than that.
        size = Path(f"{path}-wal").stat().st_size
    assert size < 16 * 1024 * 1024
