"""From what changed to the events that tell of it. Part of the persister's record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from actors import messages as m
from scheduler.domain import events as e
from scheduler.domain.lifecycle import attempt_of
from scheduler.domain.task import FINISHED, Attempt, Status, Task

ENDED_WELL_OR_NOT: dict[Status, type[e.AttemptEvent]] = {
    Status.COMPLETED: e.TaskCompleted,
    Status.FAILED: e.TaskFailed,
    Status.SCHEDULED: e.TaskRetrying,
    Status.READY: e.TaskReleased,
}


def happenings(changed: m.Changed, known: Mapping[int, Task], now: float) -> Iterator[e.Event]:
    """What one command did, told in order: what ended, then what follows from it.

    `known` holds the tasks as they were.
    """
    for task in changed.new:
        yield e.TaskEnqueued(now, task)
        if task.status is Status.READY:
            yield e.TaskReady(now, task)
    attempts = {attempt.number: attempt for attempt in changed.attempts}
    ended = [task for task in changed.moved if task.status in FINISHED]
    for task in ended:
        yield from _ended(task, attempts.get(task.number), now)
    for task in changed.moved if len(ended) < len(changed.moved) else ():
        if task.status not in FINISHED:
            reopened = task.number in changed.reopened
            yield from _moved(task, known.get(task.number), reopened, attempts, now)
    for task in changed.rewritten:
        yield e.TaskUpdated(now, task)
        before = known.get(task.number)
        if task.status is Status.READY and before is not None and before.status != task.status:
            yield e.TaskReady(now, task)
    for lane, paused in changed.paused.items():
        yield e.LanePaused(now, lane) if paused else e.LaneResumed(now, lane)


def troubles(changed: m.Changed, known: Mapping[int, Task], now: float) -> list[e.Event]:
    """Of the same, what somebody should see who listens to nothing else: expired leases.

    The attempts of one message have all ended in the same way.
    """
    if not changed.attempts or changed.attempts[0].outcome != "expired":
        return []
    return [event for event in happenings(changed, known, now) if event.kind == "expired"]


def _ended(task: Task, attempt: Attempt | None, now: float) -> Iterator[e.Event]:
    if task.status is Status.CANCELLED:
        yield e.TaskCancelled(now, task, attempt)
        return
    assert attempt is not None  # nothing completes or fails without one
    if attempt.outcome == "expired":
        yield e.LeaseExpired(now, task, attempt)
    yield ENDED_WELL_OR_NOT[task.status](now, task, attempt)


def _moved(
    task: Task, before: Task | None, reopened: bool, attempts: Mapping[int, Attempt], now: float
) -> Iterator[e.Event]:
    """A task that is not finished changed its status."""
    if task.status is Status.RUNNING:
        yield e.TaskClaimed(now, task)
        return
    if reopened:
        yield e.TaskReopened(now, task)
    elif before is not None and before.status is Status.RUNNING:
        # A claim that nobody heard of has no attempt on record.
        attempt = attempts.get(task.number) or attempt_of(before, "interrupted", now)
        expired = attempt.outcome == "expired"
        kind = e.LeaseExpired if expired else ENDED_WELL_OR_NOT[task.status]
        yield kind(now, task, attempt)
    elif task.status is Status.SCHEDULED:
        yield e.TaskScheduled(now, task)
    if task.status is Status.READY:
        was_running = before is not None and before.status is Status.RUNNING
        yield e.TaskReady(now, task, reopened or was_running or task.attempt > 0)
