"""What `on_event` tells of the life of tasks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import trio

from persistence.memory import MemoryStore
from scheduler import (
    AttemptEvent,
    Committed,
    Event,
    LanePaused,
    Scheduler,
    StoreDown,
    TaskClaimed,
    TaskEnqueued,
    TaskEvent,
    TaskRetrying,
    TaskSpec,
    testing,
)
from tests.support.stores import FailingStore


class Heard:
    """The events of one test."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.events: list[Event] = []
        self.listener = scheduler.on_event(self.events.append)

    def take(self) -> list[str]:
        """The kinds told since the last call, without commits."""
        kinds = [event.kind for event in self.events if not isinstance(event, Committed)]
        self.events.clear()
        return kinds

    def last(self, kind: type[Any]) -> Any:
        return next(event for event in reversed(self.events) if isinstance(event, kind))


async def test_a_life_is_told_step_by_step(scheduler: Scheduler) -> None:
    """Each event before the call returns that brought it about."""
    heard = Heard(scheduler)
    build = TaskSpec("Build")
    _, check = await scheduler.enqueue_many([build, TaskSpec("Check", prerequisites=[build])])
    assert heard.take() == ["enqueued", "ready", "enqueued"]
    claim = (await scheduler.claim("w"))[0]
    claimed = heard.last(TaskClaimed)
    assert (claimed.task_id, claimed.task.holder) == (claim.task.id, "w")
    assert heard.take() == ["claimed"]
    await scheduler.heartbeat(claim)
    await scheduler.complete(claim)
    assert heard.take() == ["completed", "ready"]
    await scheduler.cancel(check)
    assert heard.take() == ["cancelled"]


async def test_a_failed_attempt_tells_that_another_follows(scheduler: Scheduler) -> None:
    """And when; the last one tells that none does, and what fell with it."""
    heard = Heard(scheduler)
    shaky = TaskSpec("Shaky", max_attempts=2)
    await scheduler.enqueue_many([shaky, TaskSpec("After", prerequisites=[shaky])])
    await scheduler.fail((await scheduler.claim("w"))[0], "once")
    retrying = heard.last(TaskRetrying)
    assert (retrying.attempt.attempt, retrying.attempt.error) == (1, "once")
    assert retrying.task.not_before is not None
    heard.take()
    again = (await scheduler.claim("w", wait=60))[0]
    assert heard.take() == ["ready", "claimed"]
    await scheduler.fail(again, "twice")
    assert heard.take() == ["failed", "cancelled"]
    await scheduler.retry(again.task, cascade=True)
    assert heard.take() == ["reopened", "ready", "reopened"]


async def test_releases_and_lost_leases_are_told(scheduler: Scheduler) -> None:
    """By whom they were decided, and that the task is ready again."""
    heard = Heard(scheduler)
    await scheduler.enqueue("Build", max_attempts=2)
    await scheduler.release((await scheduler.claim("w"))[0])
    assert heard.last(AttemptEvent).attempt.outcome == "released"
    assert heard.take()[-2:] == ["released", "ready"]
    await scheduler.claim("w")
    await scheduler.release_holders("w")
    assert heard.last(AttemptEvent).attempt.outcome == "interrupted"
    assert heard.take() == ["claimed", "released", "ready"]
    for ending in (["expired", "ready"], ["expired", "failed"]):
        await scheduler.claim("w", lease=10)
        await trio.sleep(11)
        assert heard.last(AttemptEvent).seconds >= 10
        assert heard.take() == ["claimed", *ending]


async def test_leases_that_expire_together_may_end_differently(scheduler: Scheduler) -> None:
    """The last attempt of one, the first of another: each has its attempt on record."""
    heard = Heard(scheduler)
    last = await scheduler.enqueue("Last", max_attempts=1)
    first = await scheduler.enqueue("First")
    await scheduler.claim("w", lease=10, limit=2)
    heard.take()
    await trio.sleep(11)
    assert sorted(heard.take()) == ["expired", "expired", "failed", "ready"]
    for task in (last, first):
        assert [a.outcome for a in (await scheduler.details(task)).attempts] == ["expired"]


async def test_a_claim_that_nobody_hears_of_is_told_as_released() -> None:
    """Whoever counts claims and ends comes out even."""
    store = FailingStore(MemoryStore(), ["commit"])
    async with testing.open_scheduler(store=store) as scheduler:
        heard = Heard(scheduler)
        await scheduler.enqueue("Build")
        store.failing = True
        with trio.move_on_after(1):  # its claim is granted, but not saved
            await scheduler.claim("w")
        heard.take()
        store.failing = False
        await trio.sleep(10)
        assert heard.last(AttemptEvent).attempt.outcome == "interrupted"
        assert heard.take() == ["store_up", "claimed", "released", "ready"]


async def test_changed_facts_are_told(scheduler: Scheduler) -> None:
    """An update, new prerequisites, a start that comes, and one that is moved."""
    heard = Heard(scheduler)
    first = await scheduler.enqueue("First")
    later = testing.now() + timedelta(hours=1)
    task = await scheduler.enqueue("Later", not_before=later)
    assert heard.take() == ["enqueued", "ready", "enqueued"]
    await scheduler.update(task, base_priority=9)
    assert heard.take() == ["updated"]
    await scheduler.add_prerequisites(task, [first])
    assert heard.take() == ["updated"]
    await scheduler.complete((await scheduler.claim("w"))[0])
    assert heard.take() == ["claimed", "completed", "scheduled"]
    await scheduler.update(task, not_before=None)
    assert heard.take() == ["updated", "ready"]
    await scheduler.update(task, not_before=later)
    await trio.sleep(3_601)
    assert heard.take() == ["updated", "ready"]


async def test_lanes_that_are_paused_are_told(scheduler: Scheduler) -> None:
    """And that they go on."""
    heard = Heard(scheduler)
    await scheduler.pause("builder")
    assert heard.last(LanePaused).agent_type == "builder"
    await scheduler.resume("builder")
    assert heard.take() == ["paused", "resumed"]


async def test_a_commit_is_told_after_what_it_holds(scheduler: Scheduler) -> None:
    """With its rows and its last sequence."""
    heard = Heard(scheduler)
    await scheduler.enqueue_many([TaskSpec("One"), TaskSpec("Two")])
    assert [event.kind for event in heard.events].index("committed") == 4
    commit = heard.last(Committed)
    assert (commit.rows, commit.sequence) == (2, 2)
    assert heard.events[0].at == testing.wall_clock()


async def test_every_durability_tells_after_the_commit() -> None:
    """`accepted` answers before it, and tells with it."""
    async with testing.open_scheduler(durability="accepted") as scheduler:
        heard = Heard(scheduler)
        await scheduler.enqueue("Build")
        assert heard.take() == []
        await scheduler.flush()
        assert heard.take() == ["enqueued", "ready"]


async def test_a_store_that_fails_keeps_events_back() -> None:
    """What was not saved is not told; then it is told once, in order."""
    store = FailingStore(MemoryStore(), ["commit"])
    async with testing.open_scheduler(store=store) as scheduler:
        heard = Heard(scheduler)
        store.failing = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scheduler.enqueue, "One")
            await trio.sleep(0.5)
            nursery.start_soon(scheduler.enqueue, "Two")
            await trio.sleep(0.5)
            assert "on purpose" in heard.last(StoreDown).reason
            assert heard.take() == ["store_down"]
            store.failing = False
        assert heard.take() == ["store_up", "enqueued", "ready", "enqueued", "ready"]


async def test_every_task_on_record_is_known_from_events(scheduler: Scheduler) -> None:
    """Whoever folds the events has the tasks as `get` gives them."""
    told: dict[str, TaskEvent] = {}

    def fold(event: Event) -> None:
        if isinstance(event, TaskEvent):
            told[event.task_id] = event

    with scheduler.on_event(fold):
        specs = [TaskSpec(f"Task {n}") for n in range(5)]
        specs += [TaskSpec(f"After {n}", prerequisites=specs[n:]) for n in range(5)]
        tasks = await scheduler.enqueue_many(specs)
        for claim in await scheduler.claim("w", limit=4):
            await scheduler.complete(claim, result=1)
        await scheduler.cancel((await scheduler.list(status="ready")).tasks[0])
    for task in tasks:
        now = await scheduler.get(task)
        assert (told[task.id].task.status, told[task.id].task.revision) == (
            now.status,
            now.revision,
        )


async def test_a_batch_tells_of_each_task(scheduler: Scheduler) -> None:
    """Also of those beyond what is handled in one go."""
    heard = Heard(scheduler)
    await scheduler.enqueue_many([TaskSpec(f"Task {n}") for n in range(500)])
    enqueued = [event for event in heard.events if isinstance(event, TaskEnqueued)]
    assert [event.task.description for event in enqueued] == [f"Task {n}" for n in range(500)]
