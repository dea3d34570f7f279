"""What happens to a task from enqueue to its end, as a client sees it."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from scheduler import (
    AlreadyFinished,
    Claim,
    Ended,
    LeaseLost,
    Scheduler,
    Status,
    TaskSpec,
    UnknownTask,
    open_scheduler,
)
from scheduler.domain.task import moment

from .conftest import virtual_wall


async def sole_claim(scheduler: Scheduler, holder: str = "w", **options: object) -> Claim:
    (claim,) = await scheduler.claim(holder, **options)  # type: ignore[arg-type]
    return claim


async def test_a_task_goes_from_enqueue_to_completion(scheduler: Scheduler) -> None:
    """A worker gets what was enqueued, and its result stays with the task."""
    task = await scheduler.enqueue("Build the wheel", payload={"path": "src"}, base_priority=7)
    assert (task.status, task.revision, task.attempt) == (Status.READY, 1, 0)

    claim = await sole_claim(scheduler)
    assert claim.task.id == task.id
    assert claim.task.payload == {"path": "src"}
    assert claim.task.attempt == 1
    assert claim.task.lease is not None
    assert claim.task.lease.holder == "w"

    ended = await scheduler.complete(claim, {"wheel": "x.whl"})
    assert ended.task.status is Status.COMPLETED
    assert (await scheduler.get(task.id)).result == {"wheel": "x.whl"}


async def test_dependents_can_be_claimed_when_complete_returns(scheduler: Scheduler) -> None:
    """Completion releases the tasks that only waited for it, and hands them its result."""
    build = TaskSpec("Build")
    test = TaskSpec("Test", prerequisites=[build])
    made = await scheduler.enqueue_many([test, build])
    assert [task.status for task in made] == [Status.BLOCKED, Status.READY]
    assert made[0].dependency_depth == 1

    ended = await scheduler.complete(await sole_claim(scheduler), "built")
    assert ended.released == (made[0].id,)
    claim = await sole_claim(scheduler)
    assert claim.task.id == made[0].id
    assert claim.results == {made[1].id: "built"}


async def test_concurrent_claims_never_share_a_task(scheduler: Scheduler) -> None:
    """A hundred workers get a hundred different tasks."""
    await scheduler.enqueue_many([TaskSpec(f"task {n}") for n in range(100)])
    claimed: list[str] = []

    async def worker(name: str) -> None:
        claimed.append((await sole_claim(scheduler, name)).task.id)

    async with trio.open_nursery() as nursery:
        for n in range(100):
            nursery.start_soon(worker, f"worker {n}")
    assert len(set(claimed)) == 100
    assert await scheduler.claim("late") == []


async def test_claims_choose_lanes(scheduler: Scheduler) -> None:
    """A worker gets only tasks of the agent types it asks for."""
    await scheduler.enqueue("Build", agent_type="builder", base_priority=9)
    await scheduler.enqueue("Review", agent_type="reviewer")
    assert await scheduler.claim("w", ["parser"]) == []
    assert (await sole_claim(scheduler, agent_types=["reviewer"])).task.description == "Review"
    assert (await sole_claim(scheduler)).task.description == "Build"


async def test_a_claim_waits_until_something_becomes_ready(scheduler: Scheduler) -> None:
    """A waiting claim is answered the moment a task is enqueued, the oldest claim first."""
    order: list[str] = []

    async def worker(name: str) -> None:
        for claim in await scheduler.claim(name, wait=60):
            order.append(name)
            await scheduler.complete(claim)

    async with trio.open_nursery() as nursery:
        for name in ("first", "second"):
            nursery.start_soon(worker, name)
            await trio.testing.wait_all_tasks_blocked()
        before = trio.current_time()
        await scheduler.enqueue("one")
        await trio.testing.wait_all_tasks_blocked()
        assert order == ["first"]
        assert trio.current_time() == before
        await scheduler.enqueue("two")
    assert order == ["first", "second"]


async def test_a_waiting_claim_ends_empty(scheduler: Scheduler) -> None:
    """When nothing becomes ready in time, the answer is an empty list."""
    before = trio.current_time()
    assert await scheduler.claim("w", wait=30) == []
    assert trio.current_time() - before == pytest.approx(30, abs=0.1)


async def test_a_claim_whose_caller_is_cancelled_goes_back(scheduler: Scheduler) -> None:
    """Nobody holds a task that was leased to a caller who was cancelled in the same tick."""
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scheduler.claim, "gone")
            await trio.testing.wait_all_tasks_blocked(0)
            scope.cancel()
    with trio.move_on_after(5):
        await scheduler.claim("gone too", wait=60)
    await scheduler.enqueue("work")
    assert (await sole_claim(scheduler, "here")).task.attempt == 1


async def test_an_expired_lease_requeues_and_counts(scheduler: Scheduler) -> None:
    """A silent worker loses its task to another; the last attempt's expiry fails the task."""
    task = await scheduler.enqueue("work", max_attempts=2)
    first = await sole_claim(scheduler, lease=10)
    second = await sole_claim(scheduler, "other", lease=10, wait=60)
    assert second.task.id == task.id
    assert second.task.attempt == 2
    with pytest.raises(LeaseLost):
        await scheduler.complete(first)
    (ended,) = await scheduler.wait([task], timeout=60)
    assert ended.status is Status.FAILED
    assert "expired" in (ended.error or "")
    attempts = (await scheduler.details(task)).attempts
    assert [(a.holder, a.outcome) for a in attempts] == [("w", "expired"), ("other", "expired")]


async def test_heartbeats_keep_a_lease(scheduler: Scheduler) -> None:
    """As long as heartbeats come, nobody else gets the task."""
    task = await scheduler.enqueue("work")
    claim = await sole_claim(scheduler, lease=10)
    for step in range(10):
        await trio.sleep(8)
        expires = await scheduler.heartbeat(claim, progress=step / 10, note=f"step {step}")
        assert expires.timestamp() == pytest.approx(1_800_000_000 + trio.current_time() + 10)
    assert await scheduler.claim("other") == []
    seen = await scheduler.get(task)
    assert (seen.progress, seen.note, seen.status) == (0.9, "step 9", Status.RUNNING)
    await scheduler.complete(claim)


async def test_a_release_costs_no_attempt_and_keeps_its_place(scheduler: Scheduler) -> None:
    """A released task is the next to be claimed again, at the same attempt number."""
    task = await scheduler.enqueue("early")
    await scheduler.enqueue("late")
    claim = await sole_claim(scheduler)
    ended = await scheduler.release(claim)
    assert (ended.task.status, ended.task.attempt) == (Status.READY, 0)
    again = await sole_claim(scheduler)
    assert (again.task.id, again.task.attempt) == (task.id, 1)
    assert again.token != claim.token


async def test_claims_of_dead_holders_can_be_given_back(scheduler: Scheduler) -> None:
    """A supervisor frees what its dead workers held; the others keep theirs."""
    tasks = await scheduler.enqueue_many([TaskSpec("a"), TaskSpec("b"), TaskSpec("c")])
    dead = await scheduler.claim("run:1:a", limit=2)
    alive = await sole_claim(scheduler, "run:2:a")
    freed = await scheduler.release_holders("run:1:")
    assert {task.id for task in freed} == {task.id for task in tasks[:2]}
    assert [task.attempt for task in freed] == [0, 0]
    for call in (scheduler.heartbeat, scheduler.complete, scheduler.release):
        with pytest.raises(LeaseLost):
            await call(dead[0])
    await scheduler.complete(alive)
    assert (await scheduler.details(tasks[0])).attempts[0].outcome == "interrupted"


async def test_a_failed_attempt_is_repeated_after_a_back_off(scheduler: Scheduler) -> None:
    """The task is SCHEDULED for a while, then READY; spent attempts make it FAILED."""
    task = await scheduler.enqueue("flaky", max_attempts=2)
    ended = await scheduler.fail(await sole_claim(scheduler), "boom")
    assert ended.task.status is Status.SCHEDULED
    before = trio.current_time()
    claim = await sole_claim(scheduler, wait=60)
    assert 0.5 <= trio.current_time() - before <= 1.1
    ended = await scheduler.fail(claim, "boom again")
    assert ended.task.status is Status.FAILED
    assert (await scheduler.get(task)).error == "boom again"


async def test_a_hopeless_failure_is_not_repeated(scheduler: Scheduler) -> None:
    """`retryable=False` skips the attempts that are left."""
    await scheduler.enqueue("hopeless")
    ended = await scheduler.fail(await sole_claim(scheduler), "no way", retryable=False)
    assert ended.task.status is Status.FAILED


async def test_a_failure_takes_its_dependents_with_it(scheduler: Scheduler) -> None:
    """Each task behind a failed one is cancelled once, with the root as its cause."""
    root = TaskSpec("root")
    left, right = TaskSpec("left", prerequisites=[root]), TaskSpec("right", prerequisites=[root])
    bottom = TaskSpec("bottom", prerequisites=[left, right])
    after = TaskSpec("after", run_after=[root])
    tasks = await scheduler.enqueue_many([root, left, right, bottom, after])
    ended = await scheduler.fail(await sole_claim(scheduler), "boom", retryable=False)
    assert sorted(ended.fallen) == sorted(task.id for task in tasks[1:4])
    assert ended.released == (tasks[4].id,)
    fallen = await scheduler.get(tasks[3])
    assert (fallen.status, fallen.cause) == (Status.CANCELLED, tasks[0].id)


async def test_cancelling_a_running_task_revokes_its_lease(scheduler: Scheduler) -> None:
    """The holder hears lease_lost at its next heartbeat and at its completion."""
    task = await scheduler.enqueue("work")
    claim = await sole_claim(scheduler)
    cancellation = await scheduler.cancel(task, "not wanted")
    assert cancellation.cancelled_task_id == task.id
    with pytest.raises(LeaseLost):
        await scheduler.heartbeat(claim)
    with pytest.raises(LeaseLost):
        await scheduler.complete(claim)
    with pytest.raises(AlreadyFinished):
        await scheduler.cancel(task)


async def test_a_dry_run_cancels_nothing(scheduler: Scheduler) -> None:
    """`dry_run` tells what would go, and leaves it alone."""
    root = TaskSpec("root")
    tasks = await scheduler.enqueue_many([root, TaskSpec("leaf", prerequisites=[root])])
    told = await scheduler.cancel(tasks[0], dry_run=True)
    assert (told.cascaded_task_ids, told.total_cancelled) == ((tasks[1].id,), 2)
    assert (await scheduler.get(tasks[0])).status is Status.READY


async def test_a_repeated_completion_is_answered_as_the_first(scheduler: Scheduler) -> None:
    """A client that timed out may call again with its token; another token is refused."""
    task = await scheduler.enqueue("work")
    claim = await sole_claim(scheduler)
    first = await scheduler.complete(claim, 1)
    again = await scheduler.complete(claim, 2)
    assert again.task.status is Status.COMPLETED
    assert again.task.result == first.task.result == 1
    with pytest.raises(AlreadyFinished):
        await scheduler.complete((task.id, "0" * 32))


async def test_another_call_is_no_repetition(scheduler: Scheduler) -> None:
    """Completing after a release, or failing after a completion, is refused."""
    await scheduler.enqueue("work")
    claim = await sole_claim(scheduler)
    await scheduler.release(claim)
    assert (await scheduler.release(claim)).task.status is Status.READY
    with pytest.raises(LeaseLost):
        await scheduler.complete(claim)
    claim = await sole_claim(scheduler)
    await scheduler.complete(claim)
    with pytest.raises(AlreadyFinished):
        await scheduler.fail(claim, "boom")


async def test_many_completions_have_one_outcome_each(scheduler: Scheduler) -> None:
    """Those that fail do not hold up the others."""
    await scheduler.enqueue_many([TaskSpec(f"task {n}") for n in range(3)])
    claims = await scheduler.claim("w", limit=3)
    stranger = (claims[1].task.id, "f" * 32)
    outcomes = await scheduler.complete_many([(claims[0], 0), (stranger, 1), (claims[2], 2)])
    assert [type(outcome) for outcome in outcomes] == [Ended, LeaseLost, Ended]


async def test_not_before_is_kept(scheduler: Scheduler) -> None:
    """A task with a start time is SCHEDULED until then."""
    from datetime import UTC, datetime, timedelta

    start = datetime.fromtimestamp(1_800_000_000 + trio.current_time(), UTC) + timedelta(hours=1)
    task = await scheduler.enqueue("later", not_before=start)
    assert task.status is Status.SCHEDULED
    assert await scheduler.claim("w") == []
    before = trio.current_time()
    assert (await sole_claim(scheduler, wait=7200)).task.id == task.id
    assert trio.current_time() - before == pytest.approx(3600, abs=1)


async def test_unknown_ids_are_refused_everywhere(scheduler: Scheduler) -> None:
    """An id that no task has is unknown_task, in every method."""
    ghost = "0" * 13
    token = (ghost, "0" * 32)
    for call in (
        lambda: scheduler.get(ghost),
        lambda: scheduler.details(ghost),
        lambda: scheduler.cancel(ghost),
        lambda: scheduler.cancel(ghost, dry_run=True),
        lambda: scheduler.retry(ghost),
        lambda: scheduler.update(ghost, base_priority=1),
        lambda: scheduler.add_prerequisites(ghost, []),
        lambda: scheduler.explain(ghost),
        lambda: scheduler.execution_plan([ghost]),
        lambda: scheduler.wait([ghost]),
        lambda: scheduler.heartbeat(token),
        lambda: scheduler.complete(token),
        lambda: scheduler.fail(token, "x"),
        lambda: scheduler.release(token),
    ):
        with pytest.raises(UnknownTask):
            await call()


async def test_what_came_due_while_the_computer_slept_starts_with_the_next_call() -> None:
    """Trio's clock stood still meanwhile: the timers that were set by it would come hours late."""
    slept = 0.0

    def wall() -> float:
        return virtual_wall() + slept

    async with open_scheduler(wall_clock=wall) as scheduler:
        await scheduler.enqueue("morning", not_before=moment(wall() + 8 * 3_600))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(scheduler.claim, "w", wait=86_400))
            await trio.sleep(60)
            slept = 9 * 3_600.0
            with trio.fail_after(1):
                while not (await scheduler.queue_status()).counts[Status.RUNNING]:
                    await trio.sleep(0.1)


async def test_results_that_are_too_large_together_are_left_out(scheduler: Scheduler) -> None:
    """A claim brings as many as fit into 256 KiB, and says that there are more."""
    specs = [TaskSpec(f"part {n}") for n in range(3)]
    parts = await scheduler.enqueue_many(specs)
    whole = await scheduler.enqueue("whole", prerequisites=parts)
    for number, claim in enumerate(await scheduler.claim("w", limit=3)):
        await scheduler.complete(claim, "ä" * (50_000 if number else 100_000))
    (claim,) = await scheduler.claim("w")
    assert claim.task.id == whole.id
    assert claim.truncated
    assert len(claim.results) == 1
    for task, result in claim.results.items():
        assert (await scheduler.get(task)).result == result
