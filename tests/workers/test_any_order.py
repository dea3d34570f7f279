"""Handlers that fail, hang, lose their leases and are cancelled, at random: nothing is lost."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler import (
    GiveUp,
    Job,
    Retry,
    Scheduler,
    SchedulerError,
    Status,
    Task,
    TaskSpec,
    open_scheduler,
)
from tests.flows.conftest import run_on_virtual_time, virtual_wall

LANES = {"one": 1, "three": 3}
TASKS = 30
ACTS = ("done", "done", "fail", "retry", "give up", "hang", "swallow", "exit", "child")


class Chaos:
    """Handlers whose acts follow a seed, and what was seen of them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()  # under way, by task
        self.wrong: list[str] = []

    async def work(self, job: Job) -> object:
        lane, task = job.task.agent_type, job.task.id
        self.now[lane] += 1
        self.attempts[task] += 1
        if self.now[lane] > LANES[lane]:
            self.wrong.append("more at once than there are slots")
        if self.attempts[task] > 1:
            self.wrong.append("two attempts of one task at a time")
        try:
            return await self.act(job)
        finally:
            self.now[lane] -= 1
            self.attempts[task] -= 1

    async def act(self, job: Job) -> object:
        await trio.sleep(self.random.random() * 20)
        match self.random.choice(ACTS):
            case "fail":
                raise ValueError("failed")
            case "retry":
                raise Retry(after=self.random.random() * 100)
            case "give up":
                raise GiveUp
            case "hang":
                await trio.sleep_forever()
            case "swallow":
                try:
                    await trio.sleep(1_000)
                except trio.Cancelled:
                    return "swallowed"
            case "exit":
                raise SystemExit(1)
            case "child" if job.task.parent_id is None:
                await job.enqueue("child", agent_type="one")
        return "done"


async def disturb(scheduler: Scheduler, made: list[Task], chaos: random.Random) -> None:
    """Cancel some, release what is held, pause and resume."""
    for _ in range(15):
        await trio.sleep(chaos.random() * 30)
        match chaos.randrange(4):
            case 0:
                with suppress(SchedulerError):  # it may have ended
                    await scheduler.cancel(chaos.choice(made))
            case 1:
                await scheduler.release_holders("pool:")
            case 2:
                await scheduler.pause("three")
            case _:
                await scheduler.resume("three")
    await scheduler.resume("three")


@pytest.mark.parametrize("interrupted", [False, True])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_nothing_is_lost(interrupted: bool, seed: int) -> None:
    """Every task ends, with what its last attempt said, and no lane runs more than it may.

    Also when the workers are stopped in the middle and others go on.
    """

    async def main() -> None:
        chaos = Chaos(seed)
        async with open_scheduler(
            wall_clock=virtual_wall, random_bits=random.Random(seed).getrandbits
        ) as scheduler:
            for lane, concurrency in LANES.items():
                scheduler.handler(lane, concurrency=concurrency, timeout=60)(chaos.work)
            specs = [
                TaskSpec(str(n), agent_type=chaos.random.choice(["one", "three"]))
                for n in range(TASKS)
            ]
            made = await scheduler.enqueue_many(specs)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(disturb, scheduler, made, random.Random(seed + 1))
                if interrupted:
                    with trio.move_on_after(chaos.random.random() * 300):
                        await scheduler.run_workers()
                    assert not +chaos.now
                    running = await scheduler.list(status="running")
                    assert running.tasks == ()
            await scheduler.run_workers(until_idle=True)
            assert chaos.wrong == []
            counts = (await scheduler.queue_status()).counts
            left = {status: n for status, n in counts.items() if n and not status.finished}
            assert left == {}
            for task in (await scheduler.list(status="completed", limit=500)).tasks:
                assert task.result == "done"
            for task in (await scheduler.list(status="failed", limit=500)).tasks:
                assert task.error
                assert task.attempt == task.max_attempts or "gave up" in task.error
            assert counts[Status.COMPLETED] > 0

    run_on_virtual_time(main)
