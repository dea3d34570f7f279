"""A crowd of workers that crash, lose leases and give up: a limit is kept, and always used."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler import AlreadyFinished, LeaseLost, Scheduler, Status, TaskSpec, open_scheduler
from tests.flows.conftest import run_on_virtual_time, virtual_wall

LIMIT = 4
WORKERS = 24  # so that some wait, though others work on what they have lost
ENDS = ["complete", "complete", "complete", "fail", "crash", "release", "vanish", "cancel"]


async def worker(scheduler: Scheduler, name: str, random: Random) -> None:
    """Claims one task after the other, and treats it well or badly."""
    while True:
        for claim in await scheduler.claim(name, lease=random.choice([5.0, 20.0]), wait=86_400):
            await trio.sleep(random.choice([0.0, 0.5, 3.0, 10.0]))
            try:
                match random.choice(ENDS):
                    case "complete":
                        await scheduler.complete(claim)
                    case "fail":
                        await scheduler.fail(claim, "why")
                    case "crash":
                        await scheduler.fail(claim, "never again", retryable=False)
                    case "release":
                        await scheduler.release(claim)
                    case "vanish":
                        pass  # somebody starts it again, and its lease is lost
                    case "cancel":
                        await scheduler.cancel(claim.task)
            except (LeaseLost, AlreadyFinished):
                pass


async def watch(scheduler: Scheduler, seen: Counter[int]) -> None:
    """At every turn: never more than may run, and never fewer while there is work."""
    while True:
        await trio.testing.wait_all_tasks_blocked()
        counts = (await scheduler.queue_status()).counts
        running, ready = counts[Status.RUNNING], counts[Status.READY]
        assert running <= LIMIT
        assert running == LIMIT or not ready
        seen[running] += 1
        await trio.sleep(0.25)


async def crowd(seed: int, tasks: int, key: bool) -> Counter[int]:
    """All tasks to their end; how often so many ran at once."""
    random = Random(seed)
    seen: Counter[int] = Counter()
    fields: Any = {"limit_key": "api"} if key else {}
    async with (
        open_scheduler(wall_clock=virtual_wall, random_bits=random.getrandbits) as scheduler,
        trio.open_nursery() as nursery,
    ):
        if key:
            await scheduler.set_limit(limit_key="api", concurrency=LIMIT)
        else:
            await scheduler.set_limit(agent_type="general", concurrency=LIMIT)
        made = await scheduler.enqueue_many(
            TaskSpec(f"t{n}", **fields, max_attempts=random.choice([1, 3]), group=f"g{n % 3}")
            for n in range(tasks)
        )
        for n in range(WORKERS):
            nursery.start_soon(worker, scheduler, f"w{n}", random)
        nursery.start_soon(watch, scheduler, seen)
        await scheduler.wait(made)
        nursery.cancel_scope.cancel()
    return seen


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60), st.booleans())
def test_never_more_than_the_limit_and_never_less(seed: int, tasks: int, key: bool) -> None:
    """Whatever becomes of the attempts."""
    run_on_virtual_time(lambda: crowd(seed, tasks, key))


def test_a_thousand_tasks() -> None:
    """At almost every look four were running."""
    seen = run_on_virtual_time(lambda: crowd(1, 1_000, True))
    assert set(seen) <= set(range(LIMIT + 1))
    assert seen[LIMIT] > 0.9 * seen.total()
