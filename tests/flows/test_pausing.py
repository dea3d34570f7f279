"""A lane that is paused hands out nothing; what runs goes on, and so does everything else."""

from __future__ import annotations

import trio

from scheduler import Claim, Scheduler


async def test_nothing_of_a_paused_lane_is_handed_out(scheduler: Scheduler) -> None:
    """Neither to who asks for it nor to who takes anything; other lanes go on."""
    await scheduler.enqueue("held back", agent_type="builder", base_priority=10)
    await scheduler.enqueue("other", agent_type="parser")
    await scheduler.pause("builder")
    assert await scheduler.claim("w", ["builder"]) == []
    (claim,) = await scheduler.claim("w", limit=5)
    assert claim.task.agent_type == "parser"
    assert await scheduler.claim("w", wait=60) == []
    await scheduler.resume("builder")
    (claim,) = await scheduler.claim("w")
    assert claim.task.description == "held back"


async def test_who_waits_is_served_when_it_is_resumed(scheduler: Scheduler) -> None:
    """At once, also by a task that came while it was paused."""
    got: list[Claim] = []

    async def wait() -> None:
        got.extend(await scheduler.claim("w", ["builder"], wait=600))

    await scheduler.pause("builder")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await scheduler.enqueue("work", agent_type="builder")
        await trio.sleep(60)
        assert got == []
        before = trio.current_time()
        await scheduler.resume("builder")
    assert len(got) == 1 and trio.current_time() == before


async def test_what_runs_goes_on(scheduler: Scheduler) -> None:
    """It can be completed; what comes back from its worker stays in the lane."""
    for text in ("done", "given back"):
        await scheduler.enqueue(text, agent_type="builder")
    done, back = await scheduler.claim("w", limit=2)
    await scheduler.pause("builder")
    await scheduler.complete(done)
    await scheduler.release(back)
    assert await scheduler.claim("w", ["builder"]) == []
