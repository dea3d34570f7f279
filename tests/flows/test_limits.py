"""Limits hold for every claim, and whatever they hold back starts as soon as it may."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from scheduler import (
    Event,
    Idle,
    InvalidRequest,
    LimitStatus,
    Scheduler,
    SchedulerClosed,
    TaskEvent,
    TaskSpec,
    open_scheduler,
)
from scheduler.domain.task import moment
from tests.flows.conftest import START, virtual_wall


async def ready(scheduler: Scheduler, count: int, **fields: Any) -> list[str]:
    tasks = await scheduler.enqueue_many(TaskSpec(f"t{n}", **fields) for n in range(count))
    return [task.id for task in tasks]


class TestConcurrency:
    async def test_of_an_agent_type(self, scheduler: Scheduler) -> None:
        """However the claims are made; another agent type is not concerned."""
        await scheduler.set_limit(agent_type="builder", concurrency=3)
        await ready(scheduler, 5, agent_type="builder")
        await ready(scheduler, 2, agent_type="parser")
        first = await scheduler.claim("a", ["builder"], limit=2)
        rest = await scheduler.claim("b", limit=10)
        assert Counter(claim.task.agent_type for claim in first + rest) == {
            "builder": 3,
            "parser": 2,
        }
        assert await scheduler.claim("c") == []

    async def test_of_a_limit_key_over_agent_types(self, scheduler: Scheduler) -> None:
        """What has another key, or none, goes on, though it is less urgent."""
        await scheduler.set_limit(limit_key="api", concurrency=1)
        await ready(scheduler, 3, agent_type="builder", limit_key="api")
        await ready(scheduler, 3, agent_type="parser", limit_key="api")
        await scheduler.enqueue("later", agent_type="builder", base_priority=0)
        await scheduler.enqueue("other", agent_type="builder", base_priority=0, limit_key="disk")
        claims = await scheduler.claim("a", limit=10)
        assert Counter(claim.task.limit_key for claim in claims) == {"api": 1, None: 1, "disk": 1}

    @pytest.mark.parametrize("how", ["complete", "fail", "release", "cancel", "expire", "holder"])
    async def test_each_end_of_an_attempt_lets_the_next_one_start(
        self, scheduler: Scheduler, how: str
    ) -> None:
        """A claim that waits is served at once."""
        await scheduler.set_limit(limit_key="api", concurrency=1)
        await ready(scheduler, 2, limit_key="api")
        (held,) = await scheduler.claim("a", lease=60)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def waits() -> None:
                (claim,) = await scheduler.claim("b", wait=100)
                assert trio.current_time() == pytest.approx(60 if how == "expire" else 5, abs=0.01)
                assert claim.task.limit_key == "api"

            await trio.sleep(5)
            match how:
                case "complete":
                    await scheduler.complete(held)
                case "fail":
                    await scheduler.fail(held, "why")
                case "release":
                    await scheduler.release(held)
                case "cancel":
                    await scheduler.cancel(held.task)
                case "holder":
                    await scheduler.release_holders("a")

    async def test_raised_lowered_and_lifted(self, scheduler: Scheduler) -> None:
        """What runs goes on; nothing starts until fewer run than may."""
        await scheduler.set_limit(agent_type="general", concurrency=3)
        await ready(scheduler, 9)
        claims = await scheduler.claim("a", limit=9)
        assert len(claims) == 3
        await scheduler.set_limit(agent_type="general", concurrency=2)
        await scheduler.complete(claims.pop())
        assert await scheduler.claim("a") == []
        await scheduler.complete(claims.pop())
        claims += await scheduler.claim("a", limit=9)
        assert len(claims) == 2
        with trio.fail_after(1):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_expect, scheduler, 1)
                await trio.testing.wait_all_tasks_blocked()
                await scheduler.set_limit(agent_type="general", concurrency=3)
        await scheduler.set_limit(agent_type="general")
        assert len(await scheduler.claim("a", limit=9)) == 4
        assert await scheduler.limits() == []


async def _expect(scheduler: Scheduler, count: int) -> None:
    assert len(await scheduler.claim("w", limit=9, wait=50)) == count


class TestRate:
    async def test_a_full_bucket_and_then_evenly(self, scheduler: Scheduler) -> None:
        """Six starts a minute with a burst of two: two at once, then one each ten seconds."""
        await scheduler.set_limit(limit_key="api", starts=6, per=60, burst=2)
        await ready(scheduler, 6, limit_key="api")
        times: list[float] = []
        with trio.move_on_after(100):
            while len(times) < 6:
                for claim in await scheduler.claim("w", limit=10, wait=60):
                    times.append(trio.current_time())
                    await scheduler.complete(claim)
        assert times == pytest.approx([0, 0, 10, 20, 30, 40])

    async def test_the_bucket_fills_while_nothing_starts(self, scheduler: Scheduler) -> None:
        """Up to its size, and no further."""
        await scheduler.set_limit(agent_type="general", starts=2, per=10)
        await ready(scheduler, 20)
        assert len(await scheduler.claim("w", limit=20)) == 2
        await trio.sleep(1_000)
        assert len(await scheduler.claim("w", limit=20)) == 2

    async def test_a_bucket_is_as_empty_after_a_restart(self, tmp_path: Path) -> None:
        """Otherwise a program that starts again and again would pass its limit."""
        path = tmp_path / "tasks.db"
        async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
            await scheduler.set_limit(limit_key="api", starts=1, per=100)
            await ready(scheduler, 3, limit_key="api")
            assert len(await scheduler.claim("w", limit=3)) == 1
        await trio.sleep(60)
        async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
            assert await scheduler.claim("w", limit=3) == []
            (status,) = await scheduler.limits()
            assert status == LimitStatus(
                "limit_key", "api", None, 1, 100.0, None, None, 1, moment(START + 100)
            )
            await trio.sleep(40)
            assert len(await scheduler.claim("w", limit=3)) == 1

    async def test_a_bucket_that_filled_stays_full_over_restarts_of_a_set_back_clock(
        self, tmp_path: Path
    ) -> None:
        """Found empty once because the clock went back, it fills as always, and only once."""
        back = 0.0

        def wall() -> float:
            return virtual_wall() - back

        path = tmp_path / "t.db"
        async with open_scheduler(path, wall_clock=wall) as scheduler:
            await scheduler.set_limit(agent_type="general", starts=1, per=60.0)
            await scheduler.enqueue_many([TaskSpec("one"), TaskSpec("two")])
            assert await scheduler.claim("w")
        back = 3_600.0
        async with open_scheduler(path, wall_clock=wall):
            await trio.sleep(61)
        async with open_scheduler(path, wall_clock=wall) as scheduler:
            assert await scheduler.claim("w")

    async def test_a_new_rate_takes_over_what_was_spent(self, scheduler: Scheduler) -> None:
        """And a faster one is not held back by the debts of a slower one."""
        await scheduler.set_limit(limit_key="api", starts=1, per=86_400)
        await ready(scheduler, 5, limit_key="api")
        assert len(await scheduler.claim("w", limit=5)) == 1
        await scheduler.set_limit(limit_key="api", starts=1, per=10)
        assert await scheduler.claim("w") == []
        await trio.sleep(10)
        assert len(await scheduler.claim("w", limit=5)) == 1


class TestTold:
    async def test_explain_names_the_limit(self, scheduler: Scheduler) -> None:
        """With its kind, its name, its numbers and, for a rate, the time of the next start."""
        await scheduler.set_limit(agent_type="builder", concurrency=1)
        await scheduler.set_limit(limit_key="api", starts=1, per=60)
        _, builder = await ready(scheduler, 2, agent_type="builder")
        _, api = await ready(scheduler, 2, limit_key="api")
        await scheduler.claim("w", limit=9)
        assert (await scheduler.explain(builder)).reason == (
            "ready, but agent_type 'builder' is limited to 1 at once, and so many run"
        )
        assert (await scheduler.explain(api)).reason == (
            "ready, but limit_key 'api' is limited to 1 starts in 60 s: next at "
            "2027-01-15T08:01:00Z"
        )

    async def test_why_idle(self, scheduler: Scheduler) -> None:
        """Until the next token, or the first end of a lease, whichever is earlier."""
        await scheduler.set_limit(limit_key="api", starts=1, per=60)
        await ready(scheduler, 2, limit_key="api")
        (claim,) = await scheduler.claim("w", lease=300)
        until = moment(START) + timedelta(seconds=60)
        assert await scheduler.why_idle() == Idle("limited", until)
        await scheduler.set_limit(limit_key="api", concurrency=1)
        until = moment(START) + timedelta(seconds=300)
        assert await scheduler.why_idle(["general"]) == Idle("limited", until)
        await scheduler.complete(claim)
        assert await scheduler.why_idle() == Idle("ready")

    async def test_limits_survive_a_restart_with_what_runs(self, tmp_path: Path) -> None:
        """The attempts that live are counted anew, not remembered."""
        path = tmp_path / "tasks.db"
        async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
            await scheduler.set_limit(agent_type="general", concurrency=2)
            await scheduler.set_share("nightly", 0.25)
            await ready(scheduler, 5)
            claims = await scheduler.claim("w", limit=5)
        async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
            assert await scheduler.limits() == [
                LimitStatus("agent_type", "general", 2, None, None, None, None, 2),
                LimitStatus("group", "nightly", None, None, None, None, 0.25, 0),
            ]
            assert await scheduler.claim("w") == []
            await scheduler.complete_many((claim, None) for claim in claims)
            assert len(await scheduler.claim("w", limit=5)) == 2


class TestDraining:
    async def test_waits_for_what_runs(self, scheduler: Scheduler) -> None:
        """Nothing else starts, and the lane stays paused."""
        await ready(scheduler, 3)
        first, second = await scheduler.claim("w", limit=2)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def drains() -> None:
                await scheduler.drain("general")
                assert trio.current_time() == 20

            await trio.sleep(10)
            assert await scheduler.claim("w") == []
            await scheduler.complete(first)
            await trio.sleep(10)
            await scheduler.fail(second, "why")
        await trio.sleep(1_000)
        assert await scheduler.claim("w") == []
        await scheduler.resume("general")
        assert len(await scheduler.claim("w", limit=3)) == 2

    async def test_an_empty_lane_has_drained(self, scheduler: Scheduler) -> None:
        """At once."""
        await scheduler.drain("general")
        assert trio.current_time() == 0
        assert (await scheduler.queue_status()).paused == ("general",)

    async def test_resumed_or_closed_before(self) -> None:
        """Who waits hears so."""
        async with open_scheduler(wall_clock=virtual_wall) as scheduler:
            await ready(scheduler, 1)
            await scheduler.claim("w")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_refused, scheduler, "was resumed")
                await trio.testing.wait_all_tasks_blocked()
                await scheduler.resume("general")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_refused, scheduler, "closed before")
                await trio.testing.wait_all_tasks_blocked()
                await scheduler._door.close()  # type: ignore[attr-defined]


async def _refused(scheduler: Scheduler, reason: str) -> None:
    with pytest.raises((InvalidRequest, SchedulerClosed), match=reason):
        await scheduler.drain("general")


@pytest.mark.parametrize(
    ("arguments", "field", "hint"),
    [
        ({}, "agent_type", "two limits"),
        ({"agent_type": "a", "limit_key": "b", "concurrency": 1}, "agent_type", "two limits"),
        ({"agent_type": "a", "concurrency": 0}, "concurrency", "pause"),
        ({"agent_type": "a", "starts": 0, "per": 1.0}, "starts", "pause"),
        ({"agent_type": "a", "starts": 3}, "per", "starts=1"),
        ({"agent_type": "a", "per": 3.0}, "starts", "starts=1"),
        ({"agent_type": "a", "burst": 3}, "per", "starts=1"),
        ({"agent_type": "a", "concurrency": 1.5}, "concurrency", None),
        ({"agent_type": "a", "starts": 1, "per": float("nan")}, "per", None),
        ({"agent_type": "", "concurrency": 1}, "agent_type", None),
    ],
)
async def test_bad_limits(
    scheduler: Scheduler, arguments: dict[str, object], field: str, hint: str | None
) -> None:
    """Each is refused with the field at fault and what to write."""
    with pytest.raises(InvalidRequest) as caught:
        await scheduler.set_limit(**arguments)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert hint is None or hint in (caught.value.hint or "")
    with pytest.raises(InvalidRequest, match="weight"):
        await scheduler.set_share("a", 0)


@pytest.mark.parametrize("how", ["complete", "fail", "cancel", "expire"])
async def test_the_record_never_holds_more_than_the_limit(scheduler: Scheduler, how: str) -> None:
    """An attempt has ended there before the next one begins: whoever listens sees one at a time."""
    running: set[str] = set()
    most = 0

    def listen(event: Event) -> None:
        nonlocal most
        if isinstance(event, TaskEvent):
            (running.add if event.task.status == "running" else running.discard)(event.task.id)
            most = max(most, len(running))

    with scheduler.on_event(listen):
        await scheduler.set_limit(limit_key="api", concurrency=1)
        await ready(scheduler, 3, limit_key="api", max_attempts=1)
        async with trio.open_nursery() as nursery:
            for name in "ab":
                nursery.start_soon(_work, scheduler, name, how)
        await trio.testing.wait_all_tasks_blocked()
    assert (most, running) == (1, set())


async def _work(scheduler: Scheduler, name: str, how: str) -> None:
    while claims := await scheduler.claim(name, lease=10, wait=50):
        for claim in claims:
            await trio.sleep(1)
            match how:
                case "complete":
                    await scheduler.complete(claim)
                case "fail":
                    await scheduler.fail(claim, "why")
                case "cancel":
                    await scheduler.cancel(claim.task)
