"""Idempotency keys, pages, the change feed, waiting, and the numbers of the queue."""

from __future__ import annotations

import pytest
import trio

from scheduler import (
    InvalidRequest,
    InvalidTask,
    KeyConflict,
    Scheduler,
    SchedulerClosed,
    Status,
    Task,
    TaskSpec,
    open_scheduler,
)

from .conftest import virtual_wall


async def test_the_same_key_makes_one_task(scheduler: Scheduler) -> None:
    """The same request again is answered with the task that is there, in any status."""
    first = await scheduler.enqueue("once", key="k", payload={"a": 1, "b": 2})
    again = await scheduler.enqueue("once", key="k", payload={"b": 2, "a": 1})
    assert (first.existing, again.existing, again.id) == (False, True, first.id)
    (claim,) = await scheduler.claim("w")
    await scheduler.complete(claim)
    assert (await scheduler.enqueue("once", key="k", payload={"a": 1, "b": 2})).id == first.id


async def test_a_key_of_another_request_is_refused(scheduler: Scheduler) -> None:
    """Also in the middle of a batch, of which nothing is made then."""
    await scheduler.enqueue("once", key="k")
    with pytest.raises(KeyConflict):
        await scheduler.enqueue_many([TaskSpec("new"), TaskSpec("twice", key="k")])
    with pytest.raises(InvalidTask):
        await scheduler.enqueue_many([TaskSpec("a", key="x"), TaskSpec("a", key="x")])
    assert (await scheduler.queue_status()).total_tasks == 1
    await scheduler.enqueue("a", key="x")


async def test_a_graph_with_keys_is_found_again(scheduler: Scheduler) -> None:
    """Sent twice, a keyed graph exists once: local prerequisites count as the same request."""

    def graph() -> list[TaskSpec]:
        build = TaskSpec("build", key="build")
        return [build, TaskSpec("test", key="test", prerequisites=[build])]

    first = await scheduler.enqueue_many(graph())
    again = await scheduler.enqueue_many(graph())
    assert [task.id for task in again] == [task.id for task in first]
    assert all(task.existing for task in again)


async def test_racing_requests_with_one_key_make_one_task(scheduler: Scheduler) -> None:
    """However many clients call at once."""
    made: list[Task] = []

    async def client() -> None:
        made.append(await scheduler.enqueue("once", key="k"))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(client)
    assert len({task.id for task in made}) == 1
    assert sorted(task.existing for task in made) == [False] + [True] * 19


async def test_a_refused_key_is_free_again(scheduler: Scheduler) -> None:
    """An enqueue that was refused leaves its key to those that wait for it."""
    async with trio.open_nursery() as nursery:

        async def bad() -> None:
            with pytest.raises(Exception, match="does not exist"):
                await scheduler.enqueue("x", key="k", prerequisites=["0" * 13])

        nursery.start_soon(bad)
        nursery.start_soon(bad)
    assert not (await scheduler.enqueue("x", key="k")).existing


async def test_pages_reach_every_task_once(scheduler: Scheduler) -> None:
    """Newest first, by cursor, under a filter."""
    made = await scheduler.enqueue_many(
        [TaskSpec(f"task {n}", group="even" if n % 2 == 0 else "odd") for n in range(25)]
    )
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await scheduler.list(group="even", limit=5, cursor=cursor)
        seen += [task.id for task in page.tasks]
        cursor = page.cursor
        if not page.has_more:
            break
    assert seen == [task.id for task in reversed(made[::2])]
    assert len((await scheduler.list(status="pending", limit=500)).tasks) == 25
    assert (await scheduler.list(status=["running", "failed"])).tasks == ()
    with pytest.raises(InvalidRequest):
        await scheduler.list(status="runing")


async def test_the_feed_gives_every_change(scheduler: Scheduler) -> None:
    """Each task once at least, in its latest state, in the order of the changes."""
    first = await scheduler.enqueue("first")
    second = await scheduler.enqueue("second")
    changes, since = await scheduler.read_changes(0)
    assert [change.task.id for change in changes] == [first.id, second.id]
    (claim,) = await scheduler.claim("w")
    await scheduler.complete(claim)
    changes, since = await scheduler.read_changes(since)
    assert [(c.task.id, c.task.status) for c in changes] == [(first.id, Status.COMPLETED)]
    assert await scheduler.read_changes(since) == ([], since)


async def test_the_feed_wakes_its_readers(scheduler: Scheduler) -> None:
    """A reader that waits hears of a change as soon as it is saved."""
    heard: list[str] = []

    async def reader() -> None:
        async for change in scheduler.changes():
            heard.append(change.task.description)
            if len(heard) == 2:
                return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader)
        await trio.testing.wait_all_tasks_blocked()
        await scheduler.enqueue("one")
        await trio.testing.wait_all_tasks_blocked()
        assert heard == ["one"]
        await scheduler.enqueue("two")
    assert heard == ["one", "two"]


async def test_a_pause_is_a_change_without_a_task(scheduler: Scheduler) -> None:
    """It wakes a reader with a higher sequence and an empty list; a feed of tasks goes on."""
    heard: list[str] = []

    async def feed() -> None:
        async for change in scheduler.changes():
            heard.append(change.task.description)
            return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed)
        await trio.testing.wait_all_tasks_blocked()
        since = (await scheduler.queue_status()).sequence
        for change in (scheduler.pause, scheduler.resume):
            nursery.start_soon(change, "builder")
            changes, reached = await scheduler.read_changes(since, wait=60)
            assert changes == [] and reached == since + 1
            since = reached
        nursery.start_soon(scheduler.enqueue, "task")
        ((change_of_task,), reached) = await scheduler.read_changes(since, wait=60)
        assert change_of_task.task.description == "task" and reached == since + 1
        assert await scheduler.read_changes(reached) == ([], reached)
    assert heard == ["task"]


async def test_wait_returns_when_all_have_finished(scheduler: Scheduler) -> None:
    """Or after the timeout, with the tasks as they are then."""
    tasks = await scheduler.enqueue_many([TaskSpec("a"), TaskSpec("b")])
    waited: list[list[Status]] = []

    async def waiter() -> None:
        waited.append([task.status for task in await scheduler.wait(tasks)])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiter)
        for claim in await scheduler.claim("w", limit=2):
            await trio.testing.wait_all_tasks_blocked()
            assert waited == []
            await scheduler.complete(claim)
    assert waited == [[Status.COMPLETED, Status.COMPLETED]]
    late = await scheduler.enqueue("c")
    assert [t.status for t in await scheduler.wait([late, tasks[0]], timeout=5)] == [
        Status.READY,
        Status.COMPLETED,
    ]


async def test_the_queue_in_numbers(scheduler: Scheduler) -> None:
    """Counts by status, mean priority, depth, the oldest that waits, paused lanes."""
    root = TaskSpec("root")
    leaf = TaskSpec("leaf", prerequisites=[root])
    made = await scheduler.enqueue_many([root, leaf])
    await scheduler.pause("parser")
    status = await scheduler.queue_status()
    assert status.total_tasks == 2
    assert status.counts[Status.READY] == status.counts[Status.BLOCKED] == 1
    assert status.max_depth == 1
    assert status.avg_priority == pytest.approx(sum(t.priority for t in made) / 2)
    assert status.oldest_pending == made[0].created_at
    assert status.paused == ("parser",)
    assert status.sequence == 3
    await scheduler.cancel(made[0])
    status = await scheduler.queue_status()
    assert (status.counts[Status.CANCELLED], status.max_depth) == (2, 0)
    assert (status.avg_priority, status.oldest_pending) == (0.0, None)
    await trio.sleep(10)
    await scheduler.enqueue("younger")
    await scheduler.retry(made[0])
    assert (await scheduler.queue_status()).oldest_pending == made[0].created_at


async def test_learned_durations_serve_later_tasks(scheduler: Scheduler) -> None:
    """An estimate is the mean of what completed before, and frozen at admission."""
    early = await scheduler.enqueue("early", agent_type="builder")
    assert early.estimated_duration == 60.0
    (claim,) = await scheduler.claim("w")
    await trio.sleep(10)
    await scheduler.complete(claim)
    assert (await scheduler.get(early)).estimated_duration == 60.0
    late = await scheduler.enqueue("late", agent_type="builder")
    assert late.estimated_duration == pytest.approx(10.0)


async def test_a_closed_scheduler_says_so() -> None:
    """Waiting claims are answered empty, later calls are refused."""
    claims: list[object] = ["nothing yet"]

    async def waiter(scheduler: Scheduler) -> None:
        claims[0] = await scheduler.claim("w", wait=3600)

    async with (
        trio.open_nursery() as nursery,
        open_scheduler(wall_clock=virtual_wall) as scheduler,
    ):
        nursery.start_soon(waiter, scheduler)
        await trio.testing.wait_all_tasks_blocked()
    assert claims == [[]]
    with pytest.raises(SchedulerClosed):
        await scheduler.enqueue("late")
    with pytest.raises(SchedulerClosed):
        await scheduler.claim("late")


async def test_an_error_in_the_block_leaves_it_unwrapped() -> None:
    """Not as a group of one."""

    async def stumble() -> None:
        async with open_scheduler(wall_clock=virtual_wall) as scheduler:
            await scheduler.enqueue("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await stumble()
