"""Prerequisites met, failed, added and re-opened, as a client sees them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import trio

from scheduler import (
    AlreadyFinished,
    DependencyCycle,
    IllegalTransition,
    InvalidTask,
    LeaseLost,
    PrerequisiteFailed,
    Scheduler,
    Status,
    Task,
    TaskSpec,
    TooLarge,
    UnknownPrerequisite,
    UnknownTask,
    testing,
)


async def finish(scheduler: Scheduler, task: Task, *, well: bool = True) -> None:
    """Run the task (it must be the best that is ready) to its end."""
    (claim,) = await scheduler.claim("w")
    assert claim.task.id == task.id
    if well:
        await scheduler.complete(claim)
    else:
        await scheduler.fail(claim, "boom", retryable=False)


async def test_a_completed_prerequisite_counts_as_met(scheduler: Scheduler) -> None:
    """Enqueued after its prerequisite has completed, a task is ready at once."""
    done = await scheduler.enqueue("first")
    await finish(scheduler, done)
    task = await scheduler.enqueue("second", prerequisites=[done], run_after=[done])
    assert (task.status, task.dependency_depth) == (Status.READY, 0)


async def test_a_failed_prerequisite_is_refused(scheduler: Scheduler) -> None:
    """It could never start; as `run_after` the same task is welcome."""
    dead = await scheduler.enqueue("first")
    await finish(scheduler, dead, well=False)
    with pytest.raises(PrerequisiteFailed) as caught:
        await scheduler.enqueue("second", prerequisites=[dead])
    assert caught.value.received == dead.id
    assert (await scheduler.enqueue("second", run_after=[dead])).status is Status.READY


async def test_an_unknown_prerequisite_is_refused_and_nothing_is_made(
    scheduler: Scheduler,
) -> None:
    """All or nothing: the sound task of the batch is not made either."""
    with pytest.raises(UnknownPrerequisite):
        await scheduler.enqueue_many([TaskSpec("fine"), TaskSpec("x", prerequisites=["0" * 13])])
    with pytest.raises(UnknownTask):
        await scheduler.enqueue("x", parent_id="0" * 13)
    assert (await scheduler.queue_status()).total_tasks == 0


async def test_a_cycle_in_a_batch_is_refused_with_its_path(scheduler: Scheduler) -> None:
    """The path names places in the batch, since the ids were never given out."""
    loop: list[TaskSpec] = []
    a = TaskSpec("a", prerequisites=loop)
    b = TaskSpec("b", prerequisites=[a])
    loop.append(b)
    with pytest.raises(DependencyCycle) as caught:
        await scheduler.enqueue_many([TaskSpec("free"), a, b])
    assert set(caught.value.path) == {"specs[1]", "specs[2]"}
    assert (await scheduler.queue_status()).total_tasks == 0


async def test_a_task_cannot_wait_for_itself(scheduler: Scheduler) -> None:
    """Neither at enqueue nor later."""
    own: list[TaskSpec] = []
    spec = TaskSpec("selfish", prerequisites=own)
    own.append(spec)
    with pytest.raises(InvalidTask):
        await scheduler.enqueue_many([spec])
    task = await scheduler.enqueue("x")
    with pytest.raises(DependencyCycle):
        await scheduler.add_prerequisites(task, [task])
    assert (await scheduler.get(task)).status is Status.READY


async def test_prerequisites_can_be_added(scheduler: Scheduler) -> None:
    """A ready task goes back to BLOCKED, and on when the new prerequisite is done."""
    late = await scheduler.enqueue("late", base_priority=9)
    first = await scheduler.enqueue("first")
    changed = await scheduler.add_prerequisites(late, [first])
    assert (changed.status, changed.prerequisites) == (Status.BLOCKED, (first.id,))
    await finish(scheduler, first)
    (claim,) = await scheduler.claim("w")
    assert claim.task.id == late.id
    with pytest.raises(IllegalTransition):
        await scheduler.add_prerequisites(late, [first])
    await scheduler.complete(claim)
    with pytest.raises(AlreadyFinished):
        await scheduler.add_prerequisites(late, [first])


async def test_an_added_cycle_is_refused_and_changes_nothing(scheduler: Scheduler) -> None:
    """The task that was to wait stays claimable."""
    a = await scheduler.enqueue("a")
    b = await scheduler.enqueue("b", prerequisites=[a])
    c = await scheduler.enqueue("c", prerequisites=[b])
    with pytest.raises(DependencyCycle) as caught:
        await scheduler.add_prerequisites(a, [c])
    assert set(caught.value.path) == {a.id, b.id, c.id}
    await finish(scheduler, a)


async def test_a_task_has_a_thousand_prerequisites_at_most(scheduler: Scheduler) -> None:
    """However they were given."""
    others = await scheduler.enqueue_many([TaskSpec(f"other {n}") for n in range(1_001)])
    task = await scheduler.enqueue("task", prerequisites=others[:999])
    with pytest.raises(TooLarge):
        await scheduler.add_prerequisites(task, others[999:])
    changed = await scheduler.add_prerequisites(task, others[998:1000])
    assert len(changed.prerequisites) == 1_000


async def test_adding_a_finished_prerequisite_looks_it_up(scheduler: Scheduler) -> None:
    """A completed one is met; a failed one is refused; an unknown one too."""
    done = await scheduler.enqueue("done")
    await finish(scheduler, done)
    dead = await scheduler.enqueue("dead")
    await finish(scheduler, dead, well=False)
    task = await scheduler.enqueue("task")
    assert (await scheduler.add_prerequisites(task, [done])).status is Status.READY
    with pytest.raises(PrerequisiteFailed):
        await scheduler.add_prerequisites(task, [dead])
    with pytest.raises(UnknownPrerequisite):
        await scheduler.add_prerequisites(task, ["0" * 13])
    await finish(scheduler, task)


async def test_retry_reopens_a_task_and_what_fell_with_it(scheduler: Scheduler) -> None:
    """With `cascade` the whole branch stands again, in its old order."""
    root = TaskSpec("root")
    middle = TaskSpec("middle", prerequisites=[root])
    leaf = TaskSpec("leaf", prerequisites=[middle])
    tasks = await scheduler.enqueue_many([root, middle, leaf])
    await finish(scheduler, tasks[0], well=False)
    reopened = await scheduler.retry(tasks[0], cascade=True)
    assert [task.status for task in reopened] == [Status.READY, Status.BLOCKED, Status.BLOCKED]
    assert reopened[0].attempt == 0
    status = await scheduler.queue_status()
    assert (status.counts[Status.FAILED], status.counts[Status.CANCELLED]) == (0, 0)
    for task in tasks:
        await finish(scheduler, task)


async def test_retry_alone_leaves_the_fallen(scheduler: Scheduler) -> None:
    """Without `cascade` only the root is re-opened; a fallen one cannot be without its root."""
    root = TaskSpec("root")
    tasks = await scheduler.enqueue_many([root, TaskSpec("leaf", prerequisites=[root])])
    await finish(scheduler, tasks[0], well=False)
    with pytest.raises(PrerequisiteFailed):
        await scheduler.retry(tasks[1])
    assert [task.id for task in await scheduler.retry(tasks[0])] == [tasks[0].id]
    with pytest.raises(IllegalTransition):
        await scheduler.retry(tasks[0])
    await finish(scheduler, tasks[0])
    with pytest.raises(IllegalTransition):
        await scheduler.retry(tasks[0])
    assert [task.id for task in await scheduler.retry(tasks[1])] == [tasks[1].id]
    await finish(scheduler, tasks[1])


async def test_what_a_human_waits_for_goes_first(scheduler: Scheduler) -> None:
    """An urgent task lends its priority to its prerequisites."""
    plain = await scheduler.enqueue("plain", source="agent_planner", base_priority=5)
    needed = await scheduler.enqueue("needed", source="agent_planner", base_priority=1)
    await scheduler.enqueue("urgent", base_priority=10, prerequisites=[needed])
    (claim,) = await scheduler.claim("w")
    assert claim.task.id == needed.id
    await scheduler.release(claim)
    explained = await scheduler.explain(needed)
    assert (explained.ahead, explained.components.base) == (0, 100.0)
    assert (await scheduler.explain(plain)).ahead == 1


async def test_a_cancelled_dependent_takes_its_priority_back(scheduler: Scheduler) -> None:
    """When the urgent task is gone, its prerequisite falls back to its own place."""
    plain = await scheduler.enqueue("plain", base_priority=5)
    needed = await scheduler.enqueue("needed", base_priority=1)
    urgent = await scheduler.enqueue("urgent", base_priority=10, prerequisites=[needed])
    await scheduler.cancel(urgent)
    await trio.testing.wait_all_tasks_blocked()
    (claim,) = await scheduler.claim("w")
    assert claim.task.id == plain.id


async def test_update_changes_the_order(scheduler: Scheduler) -> None:
    """A raised priority moves a waiting task to the front, and the answer shows its score."""
    first = await scheduler.enqueue("first")
    second = await scheduler.enqueue("second")
    raised = await scheduler.update(second, base_priority=9, description="second, but better")
    assert raised.priority > first.priority
    (claim,) = await scheduler.claim("w")
    assert (claim.task.id, claim.task.description) == (second.id, "second, but better")
    with pytest.raises(IllegalTransition):
        await scheduler.update(second, agent_type="other")
    assert (await scheduler.update(second, timeout=5.0)).timeout == 5.0
    await scheduler.complete(claim)
    with pytest.raises(AlreadyFinished):
        await scheduler.update(second, base_priority=1)


async def test_the_plan_covers_a_group(scheduler: Scheduler) -> None:
    """Batches, critical path and makespan of unfinished tasks, with what they wait for outside."""
    outside = await scheduler.enqueue("outside", estimated_duration=5)
    a = TaskSpec("a", group="g", estimated_duration=10, prerequisites=[outside])
    b = TaskSpec("b", group="g", estimated_duration=20)
    c = TaskSpec("c", group="g", estimated_duration=30, prerequisites=[a, b])
    made = await scheduler.enqueue_many([a, b, c])
    plan = await scheduler.execution_plan(group="g", workers=1)
    assert plan.batches == ((made[0].id, made[1].id), (made[2].id,))
    assert plan.critical_path == (made[1].id, made[2].id)
    assert (plan.critical_path_seconds, plan.makespan_seconds) == (50, 60)
    assert plan.waits_for == {made[0].id: (outside.id,)}
    assert (await scheduler.execution_plan()).total_batches == 3


async def test_explain_says_why_not(scheduler: Scheduler) -> None:
    """Blocked by whom, paused, scheduled, running, finished."""
    first = await scheduler.enqueue("first")
    second = await scheduler.enqueue("second", prerequisites=[first])
    blocked = await scheduler.explain(second)
    assert blocked.reason.startswith("blocked: waits for 1 unfinished prerequisite")
    assert [(b.id, b.status, b.must_succeed) for b in blocked.blocked_by] == [
        (first.id, Status.READY, True)
    ]
    await scheduler.pause("general")
    assert "paused" in (await scheduler.explain(first)).reason
    assert await scheduler.claim("w") == []
    await scheduler.resume("general")
    (claim,) = await scheduler.claim("w")
    assert (await scheduler.explain(first)).reason.startswith("running: attempt 1")
    await scheduler.complete(claim)
    assert (await scheduler.explain(first)).reason.startswith("completed at ")


async def test_times_in_texts_end_in_z(scheduler: Scheduler) -> None:
    """As in every answer: of a start, a lease, an end, and of the lease that took over."""
    later = await scheduler.enqueue("later", not_before=datetime.now(UTC) + timedelta(days=9_999))
    task = await scheduler.enqueue("work")
    (claim,) = await scheduler.claim("w")
    texts = [(await scheduler.explain(one)).reason for one in (later, task)]
    with pytest.raises(LeaseLost) as lost:
        await scheduler.heartbeat((task.id, "another"))
    await scheduler.complete(claim)
    texts += [lost.value.message, (await scheduler.explain(task)).reason]
    for text in texts:
        assert re.search(r" \d{4}-\d\d-\d\dT[\d:.]+Z$", text), text


async def test_a_blocked_task_waits_again_for_what_is_reopened(scheduler: Scheduler) -> None:
    """Blocked before or since: the record shows the same edge, and no circle may come about."""
    first, other = await scheduler.enqueue("first"), await scheduler.enqueue("other")
    before = await scheduler.enqueue("before", prerequisites=[other], run_after=[first])
    since = await scheduler.enqueue("since", run_after=[first])
    await scheduler.cancel(first)
    await scheduler.retry(first)
    assert (await scheduler.get(since)).status is Status.READY
    await scheduler.add_prerequisites(since, [other])
    for task in (before, since):
        assert {one.id for one in (await scheduler.explain(task)).blocked_by} == {
            first.id,
            other.id,
        }
        with pytest.raises(DependencyCycle):
            await scheduler.add_prerequisites(first, run_after=[task])


async def test_a_task_that_stays_open_does_not_wait_again(scheduler: Scheduler) -> None:
    """What was met stays met as long as nothing else blocks the task."""
    first, done = await scheduler.enqueue("first"), await scheduler.enqueue("done")
    task = await scheduler.enqueue("task", run_after=[first])
    await scheduler.cancel(first)
    await scheduler.cancel(done)
    await scheduler.retry(first)
    assert (await scheduler.add_prerequisites(task, run_after=[done])).status is Status.READY


async def test_a_retry_that_would_close_a_circle_is_refused(scheduler: Scheduler) -> None:
    """It changes nothing, and can be had as soon as the circle is open."""
    one, gate = await scheduler.enqueue("one"), await scheduler.enqueue("gate")
    two = await scheduler.enqueue("two", run_after=[one])
    await scheduler.cancel(one)
    await scheduler.cancel(two)
    await scheduler.retry(one)
    await scheduler.add_prerequisites(one, [gate], run_after=[two])
    with pytest.raises(DependencyCycle):
        await scheduler.retry(two)
    assert (await scheduler.get(two)).status is Status.CANCELLED
    await finish(scheduler, gate)
    await finish(scheduler, one)
    assert [task.status for task in await scheduler.retry(two)] == [Status.READY]


async def test_tasks_that_fell_in_two_lives_of_their_root_may_name_each_other(
    scheduler: Scheduler,
) -> None:
    """A cascade that would close a circle is refused, and the scheduler goes on."""
    root, last = await scheduler.enqueue_many([TaskSpec("root"), TaskSpec("last")])
    first = await scheduler.enqueue("first", prerequisites=[root, last])
    await scheduler.cancel(root)
    await scheduler.add_prerequisites(last, run_after=[first])
    await scheduler.retry(root)
    await scheduler.add_prerequisites(last, [root])
    await scheduler.cancel(root)
    with pytest.raises(DependencyCycle) as caught:
        await scheduler.retry(root, cascade=True)
    assert sorted(caught.value.path) == sorted([first.id, last.id])
    assert (await scheduler.retry(root))[0].status is Status.READY


async def test_a_deadline_makes_a_waiting_task_more_urgent_all_the_time(
    scheduler: Scheduler,
) -> None:
    """Without any command in between, until it overtakes what was before it."""
    soon = testing.now() + timedelta(hours=12)
    late = await scheduler.enqueue("late", deadline=soon, estimated_duration=3_600, base_priority=2)
    first = await scheduler.enqueue("first", base_priority=9)
    seen: list[float] = []
    for halved in range(8):
        seen.append((await scheduler.get(late)).priority)
        await trio.sleep(11 * 3_600 / 2 ** (halved + 1))
    assert seen == sorted(set(seen)), seen
    assert seen[-1] > (await scheduler.get(first)).priority
    (claim,) = await scheduler.claim("w")
    assert claim.task.id == late.id


async def test_a_retry_opens_nothing_that_another_failure_holds_down(scheduler: Scheduler) -> None:
    """Of what fell with a task, only what can succeed again comes back."""
    one, two = await scheduler.enqueue("one"), await scheduler.enqueue("two")
    both = await scheduler.enqueue("both", prerequisites=[one, two])
    alone = await scheduler.enqueue("alone", prerequisites=[one])
    behind = await scheduler.enqueue("behind", prerequisites=[both, alone])
    await scheduler.cancel(one)
    await scheduler.cancel(two)
    opened = await scheduler.retry(one, cascade=True)
    assert [task.id for task in opened] == [one.id, alone.id]
    for task in (both, behind):
        assert (await scheduler.get(task)).status is Status.CANCELLED
