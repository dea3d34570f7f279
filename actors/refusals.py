"""Why a command about a task cannot be carried out, told from the task as it is on record."""

from __future__ import annotations

from scheduler.domain import ids
from scheduler.domain.errors import (
    AlreadyFinished,
    LeaseLost,
    PrerequisiteFailed,
    SchedulerError,
    UnknownTask,
)
from scheduler.domain.task import Status, Task, utc_text


def unknown_task(number: int) -> UnknownTask:
    """No task has this id."""
    return UnknownTask(
        "no task has this id",
        field="task_id",
        received=ids.encode(number),
        allowed="the id of a task on record",
        hint="Look it up with list; finished tasks are forgotten after the retention.",
    )


def already_finished(task: Task, wish: str) -> AlreadyFinished:
    """The task has ended."""
    return AlreadyFinished(
        f"task {task.id} is {task.status} and cannot {wish}",
        field="task_id",
        received=task.id,
        allowed="an unfinished task",
        hint="It is done; enqueue a new one."
        if task.status is Status.COMPLETED
        else "Retry re-opens a failed or cancelled task.",
    )


def lease_lost(task: Task) -> LeaseLost:
    """The caller's token does not hold the task."""
    lease = task.lease
    now_held = (
        f"held by {lease.holder} until {utc_text(lease.expires_at)}" if lease else str(task.status)
    )
    return LeaseLost(
        f"this lease of task {task.id} is no longer valid; the task is {now_held}",
        field="lease_token",
        allowed="the token of the lease that holds the task",
        hint="Stop working on it and claim again.",
    )


def not_held(task: Task | None, number: int, wish: str | None) -> SchedulerError:
    """The reason why no actor lets the task be changed so; no wish: by a former holder."""
    if task is None:
        return unknown_task(number)
    if wish is None and task.status not in (Status.COMPLETED, Status.FAILED):
        return lease_lost(task)
    if task.status.finished:
        return already_finished(task, wish or "be worked on")
    return AlreadyFinished(
        f"task {task.id} had finished when this call came, and was re-opened since",
        field="task_id",
        received=task.id,
        allowed="an unfinished task",
        hint="It is open again: call again.",
    )


def dead_prerequisite(
    number: int, status: Status | None, field: str = "prerequisites"
) -> PrerequisiteFailed:
    """A prerequisite that must succeed has failed or was cancelled."""
    return PrerequisiteFailed(
        f"prerequisite {ids.encode(number)} is {status}",
        field=field,
        received=ids.encode(number),
        allowed="prerequisites that can still succeed",
        hint="Retry it first, or put it into run_after if any end will do.",
    )
