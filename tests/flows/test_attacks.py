"""What once broke the scheduler, kept as small as it will go."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio

from persistence.memory import MemoryStore
from scheduler import (
    InvalidRequest,
    Overloaded,
    Scheduler,
    SchedulerError,
    Status,
    StoreUnavailable,
    Task,
    TaskSpec,
    open_scheduler,
)
from tests.support.stores import FailingStore

from .conftest import virtual_wall


async def failed_task(scheduler: Scheduler) -> Task:
    task = await scheduler.enqueue("doomed")
    await scheduler.cancel(task)
    return task


async def test_commands_that_waited_out_an_outage_are_not_carried_out_later() -> None:
    """Who heard "refused" may repeat the call: it makes one task, and nobody is answered twice."""
    store = FailingStore(MemoryStore(), ["write", "commit"])
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
        done = await scheduler.enqueue("done")
        await scheduler.complete((await scheduler.claim("w"))[0])
        store.failing = True
        heard: list[Any] = []

        async def call(**fields: Any) -> None:
            try:
                await scheduler.enqueue("child", **fields)
            except StoreUnavailable as error:
                heard.append(error.outcome)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(scheduler.pause, "other")
            nursery.start_soon(lambda: call(prerequisites=[done]))
            nursery.start_soon(lambda: call(key="k"))
            await trio.sleep(9)
            store.failing = False
        await trio.sleep(10)
        total = (await scheduler.queue_status()).total_tasks
        assert total == 1 + 2 - heard.count("refused")


async def test_a_failing_look_up_gives_back_what_it_carried() -> None:
    """The withdrawn task can be claimed, and the key can be used."""
    store = FailingStore(MemoryStore(), ["by_keys", "statuses"])
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
        done = await scheduler.enqueue("done")
        await scheduler.complete((await scheduler.claim("w"))[0])
        task = await scheduler.enqueue("a")
        store.failing = True
        with pytest.raises(StoreUnavailable):
            await scheduler.add_prerequisites(task, [done])
        with pytest.raises(StoreUnavailable):
            await scheduler.enqueue("x", key="k")
        store.failing = False
        (claim,) = await scheduler.claim("w")
        assert claim.task.id == task.id
        await scheduler.enqueue("x", key="k")


async def test_a_prerequisite_that_had_ended_stays_met_over_a_restart(tmp_path: Path) -> None:
    """Also when it was re-opened since: what started after its end goes on."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        first = await scheduler.enqueue("first")
        running = await scheduler.enqueue("running", run_after=[first])
        ready = await scheduler.enqueue("ready", run_after=[first])
        await scheduler.cancel(first)
        (claim,) = await scheduler.claim("w")
        assert claim.task.id == running.id
        await scheduler.retry(first)
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        assert (await scheduler.get(ready)).status is Status.READY
        await scheduler.complete((await scheduler.claim("w", limit=2))[1])
        await scheduler.complete(claim)


async def test_a_retry_is_not_overtaken_by_pruning(tmp_path: Path) -> None:
    """A task that is re-opened while it is due to be forgotten stays."""
    async with open_scheduler(
        tmp_path / "tasks.db", timer=None, wall_clock=virtual_wall, retention=1.0
    ) as scheduler:
        task = await failed_task(scheduler)
        await trio.sleep(59.9)
        await scheduler.retry(task)
        await trio.sleep(600)
        assert (await scheduler.get(task)).status is Status.READY


async def test_a_retry_counts_what_was_forgotten_as_met(tmp_path: Path) -> None:
    """Its prerequisite completed long ago."""
    async with open_scheduler(
        tmp_path / "tasks.db", timer=None, wall_clock=virtual_wall, retention=86_400
    ) as scheduler:
        done = await scheduler.enqueue("done")
        await scheduler.complete((await scheduler.claim("w"))[0])
        await trio.sleep(80_000)
        task = await scheduler.enqueue("task", prerequisites=[done])
        await scheduler.cancel(task)
        await trio.sleep(20_000)
        with pytest.raises(SchedulerError):
            await scheduler.get(done)
        (again,) = await scheduler.retry(task)
        assert again.status is Status.READY


async def test_the_feed_ends_with_the_scheduler() -> None:
    """A loop over it comes to its end; a sequence of the future is refused."""
    heard: list[str] = []

    async def read(scheduler: Scheduler) -> None:
        heard.extend([change.task.description async for change in scheduler.changes()])

    async with trio.open_nursery() as nursery, open_scheduler(wall_clock=virtual_wall) as scheduler:
        nursery.start_soon(read, scheduler)
        await trio.testing.wait_all_tasks_blocked()
        feed = scheduler.changes()
        await scheduler.enqueue("x")
        assert (await anext(feed)).task.description == "x"
        with pytest.raises(InvalidRequest):
            await anext(scheduler.changes(since=100))
    assert heard == ["x"]


async def test_a_read_that_ends_in_vain_misses_nothing(tmp_path: Path) -> None:
    """What is recorded but not saved when it ends comes with the next read."""
    async with open_scheduler(
        tmp_path / "tasks.db", durability="accepted", timer=None, wall_clock=virtual_wall
    ) as scheduler:
        ends: list[int] = []

        async def read() -> None:
            ends.append((await scheduler.read_changes(None, wait=0.1))[1])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.sleep(0.095)
            await scheduler.enqueue("late")
        await scheduler.flush()
        changes, _ = await scheduler.read_changes(ends[0])
        assert [change.task.description for change in changes] == ["late"]


async def test_as_many_are_let_in_as_there_is_room_for() -> None:
    """Of enqueues that arrive together, only those over the bound are refused."""
    outcomes: list[bool] = []
    async with open_scheduler(max_unfinished=10, wall_clock=virtual_wall) as scheduler:

        async def enqueue() -> None:
            try:
                await scheduler.enqueue("x")
                outcomes.append(True)
            except Overloaded:
                outcomes.append(False)

        async with trio.open_nursery() as nursery:
            for _ in range(12):
                nursery.start_soon(enqueue)
    assert sorted(outcomes) == [False] * 2 + [True] * 10


async def test_a_returned_task_has_the_score_of_now(scheduler: Scheduler) -> None:
    """It gained an urgent dependent while a refused command held it."""
    a = await scheduler.enqueue("a", base_priority=3, source="agent_implementation")
    await scheduler.enqueue("b", base_priority=6, source="agent_implementation")

    async def refused() -> None:
        with pytest.raises(SchedulerError):
            await scheduler.add_prerequisites(a, ["7zzzzzzzzzzz0"])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(refused)
        nursery.start_soon(lambda: scheduler.enqueue("d", prerequisites=[a], base_priority=10))
    (claim,) = await scheduler.claim("w")
    assert claim.task.id == a.id


async def test_a_long_chain_is_re_opened_in_one_go(scheduler: Scheduler) -> None:
    """Also if its tasks were enqueued dependents first."""
    specs: list[TaskSpec] = []
    for _ in range(3_000):
        specs.append(TaskSpec("x", prerequisites=specs[-1:]))
    made = await scheduler.enqueue_many(specs[::-1])
    await scheduler.cancel(made[-1])
    assert len(await scheduler.retry(made[-1], cascade=True)) == 3_000


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.list(source=object()),
        lambda s: s.list(agent_type=2**80),
        lambda s: s.list(group="\ud800"),
        lambda s: s.read_changes(0, wait=None),
        lambda s: s.read_changes(0, wait=float("nan")),
        lambda s: s.enqueue("a", deadline=datetime.max.replace(tzinfo=UTC)),
        lambda s: s.enqueue("a", not_before=datetime.min.replace(tzinfo=UTC)),
        lambda s: s.execution_plan(group=5),
        lambda s: s.execution_plan([], group="g"),
        lambda s: s.complete_many("ab"),
    ],
)
async def test_no_argument_ends_the_scheduler(scheduler: Scheduler, call: Any) -> None:
    """It is refused, and the next call is served."""
    with pytest.raises(InvalidRequest):
        await call(scheduler)
    assert (await scheduler.queue_status()).total_tasks == 0


@pytest.mark.parametrize(
    "options",
    [{"durability": "sync"}, {"max_unsaved": -1}, {"max_unfinished": 0}, {"retention": -1.0}],
)
async def test_a_wrong_option_is_refused(options: dict[str, Any]) -> None:
    """Before anything is opened."""
    with pytest.raises(InvalidRequest):
        async with open_scheduler(**options):
            pass


async def test_a_far_deadline_can_be_explained(scheduler: Scheduler) -> None:
    """Its effective deadline may lie before the epoch."""
    first = await scheduler.enqueue("first")
    await scheduler.enqueue(
        "second", prerequisites=[first], deadline=datetime(1970, 1, 2, tzinfo=UTC),
        estimated_duration=1e8,
    )  # fmt: skip
    assert (await scheduler.explain(first)).effective_deadline is not None


async def test_an_error_group_of_the_body_stays_a_group() -> None:
    """Only the group that the scheduler made is taken off."""

    async def stumble() -> None:
        async with open_scheduler(wall_clock=virtual_wall):
            raise ExceptionGroup("mine", [ValueError("x")])

    with pytest.raises(ExceptionGroup, match="mine"):
        await stumble()
