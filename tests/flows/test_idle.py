"""What an agent hears that finds nothing to do, and what a look at the queue tells of others."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import trio

from persistence.store import Durability
from scheduler import Idle, Lease, Scheduler, TaskSpec, open_scheduler
from scheduler.domain.task import moment
from tests.flows.conftest import START, virtual_wall


def after(seconds: float) -> datetime:
    """A moment so many seconds after the start of the test."""
    return moment(START) + timedelta(seconds=seconds)


async def test_an_empty_queue(scheduler: Scheduler) -> None:
    """Nothing is pending: neither at first, nor when all is done, nor in an unknown lane."""
    assert await scheduler.why_idle() == Idle("nothing_pending")
    await scheduler.enqueue("x", agent_type="builder")
    assert await scheduler.why_idle(["tester"]) == Idle("nothing_pending", open_lanes=("builder",))
    (claim,) = await scheduler.claim("w")
    await scheduler.complete(claim)
    assert await scheduler.why_idle(["builder"]) == Idle("nothing_pending")


async def test_ready_work(scheduler: Scheduler) -> None:
    """Work that came in the meantime: claim again."""
    await scheduler.enqueue("x", agent_type="builder")
    assert await scheduler.why_idle() == Idle("ready")
    assert await scheduler.why_idle(["tester", "builder"]) == Idle("ready")


async def test_leased_until_the_first_expiry(scheduler: Scheduler) -> None:
    """As the last heartbeats have it; tasks that wait for these do not matter."""
    first = TaskSpec("a")
    await scheduler.enqueue_many([first, TaskSpec("b"), TaskSpec("c", prerequisites=[first])])
    a, _ = await scheduler.claim("w", limit=2, lease=60)
    assert await scheduler.why_idle(["general"]) == Idle("all_leased", after(60))
    await scheduler.heartbeat(a, lease=30)
    assert await scheduler.why_idle() == Idle("all_leased", after(30))
    await trio.sleep(20)
    await scheduler.heartbeat(a, lease=100)
    assert await scheduler.why_idle() == Idle("all_leased", after(60))


async def test_scheduled_until_the_earliest_start(scheduler: Scheduler) -> None:
    """Also after it was moved, and to another lane; a lease that ends before comes first."""
    early = await scheduler.enqueue("early", not_before=after(100))
    await scheduler.enqueue("late", not_before=after(200))
    assert await scheduler.why_idle() == Idle("all_scheduled", after(100))
    await scheduler.update(early, not_before=after(300))
    assert await scheduler.why_idle() == Idle("all_scheduled", after(200))
    await scheduler.update(early, not_before=after(50), agent_type="other")
    assert await scheduler.why_idle(["general"]) == Idle("all_scheduled", after(200))
    assert await scheduler.why_idle(["other"]) == Idle("all_scheduled", after(50))

    await scheduler.enqueue("now")
    await scheduler.claim("w", lease=150)
    assert await scheduler.why_idle(["general"]) == Idle("all_leased", after(150))
    assert await scheduler.why_idle() == Idle("all_scheduled", after(50))
    await trio.sleep(50)
    assert await scheduler.why_idle() == Idle("ready")


async def test_a_back_off_counts_as_a_start(scheduler: Scheduler) -> None:
    """After a failed attempt."""
    await scheduler.enqueue("x")
    (claim,) = await scheduler.claim("w")
    ended = await scheduler.fail(claim, "no")
    assert await scheduler.why_idle() == Idle("all_scheduled", ended.task.not_before)


async def test_blocked_by_other_lanes(scheduler: Scheduler) -> None:
    """A lane whose tasks all wait for another lane is blocked, whatever happens there."""
    build = TaskSpec("Build", agent_type="builder")
    await scheduler.enqueue_many(
        [build, TaskSpec("Test", agent_type="tester", prerequisites=[build])]
    )
    await scheduler.claim("w", ["builder"], lease=60)
    assert await scheduler.why_idle(["tester"]) == Idle("all_blocked")
    assert await scheduler.why_idle(["tester", "builder"]) == Idle("all_leased", after(60))


async def test_paused_lanes(scheduler: Scheduler) -> None:
    """Told when ready work is held back, unless waiting alone brings some sooner."""
    await scheduler.enqueue("x", agent_type="builder")
    await scheduler.pause("builder")
    assert await scheduler.why_idle() == Idle("paused")
    assert await scheduler.claim("w") == []
    await scheduler.enqueue("y", agent_type="tester", not_before=after(10))
    assert await scheduler.why_idle() == Idle("all_scheduled", after(10))
    assert await scheduler.why_idle(["builder"]) == Idle("paused")
    await scheduler.resume("builder")
    assert await scheduler.why_idle() == Idle("ready")


async def test_lanes_with_open_work_are_named(scheduler: Scheduler) -> None:
    """Those with most unfinished tasks first, in whatever status, and twenty at the most."""
    for n in range(25):
        await scheduler.enqueue_many(
            [TaskSpec(f"{k}", agent_type=f"lane {n:02}") for k in range(1 + n % 3)]
        )
    await scheduler.claim("w", ["lane 02"])
    idle = await scheduler.why_idle(["lane 2"])
    assert idle.reason == "nothing_pending"
    assert idle.open_lanes[:2] == ("lane 02", "lane 05")
    assert idle.open_lanes[8:10] == ("lane 01", "lane 04")
    assert len(idle.open_lanes) == 20
    assert (await scheduler.why_idle(["lane 02"])).open_lanes == ()


@pytest.mark.parametrize("durability", ["synced", "accepted"])
async def test_the_leases_of_the_queue(tmp_path: Path, durability: Durability) -> None:
    """The status names the twenty that expire soonest; a restart forgets none."""
    path = tmp_path / "q.db"
    async with open_scheduler(
        path, durability=durability, timer=None, wall_clock=virtual_wall
    ) as scheduler:
        await scheduler.enqueue_many([TaskSpec(f"t{n}", agent_type="a") for n in range(25)])
        for n in range(24, -1, -1):
            await scheduler.claim(f"w{n}", lease=3_000 * (n + 1))
        leases = (await scheduler.queue_status()).leases
        assert [lease.holder for lease in leases] == [f"w{n}" for n in range(20)]
        task = await scheduler.get(leases[0].id)
        assert leases[0].agent_type == "a"
        assert task.lease == Lease("w0", leases[0].expires_at)
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        again = (await scheduler.queue_status()).leases
        assert [lease.id for lease in again] == [lease.id for lease in leases]
        assert (await scheduler.why_idle()).reason == "all_leased"


@pytest.mark.parametrize("durability", ["synced", "accepted"])
async def test_a_page_counts_what_blocked_tasks_wait_for(tmp_path: Path, durability: str) -> None:
    """Unfinished tasks only, each once, of both kinds; tasks that are not blocked have no entry."""
    async with open_scheduler(tmp_path / "q.db", durability=durability) as scheduler:  # type: ignore[arg-type]
        a, b = TaskSpec("a", base_priority=10), TaskSpec("b")
        both = TaskSpec("both", prerequisites=[a], run_after=[a, b])
        after_a = TaskSpec("after a", run_after=[a])
        tasks = await scheduler.enqueue_many([a, b, both, after_a])
        page = await scheduler.list()
        assert page.blocked_by == {tasks[2].id: 2, tasks[3].id: 1}
        (claim,) = await scheduler.claim("w")
        await scheduler.complete(claim)
        assert (await scheduler.list(status="blocked")).blocked_by == {tasks[2].id: 1}
        assert (await scheduler.list(status="completed")).blocked_by == {}
