"""How a task moves from status to status: every legal move in one table, one function a verb.

The functions take a task and return the changed one; they know no queue, graph or clock.
Times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from msgspec.structs import replace

from scheduler.domain.errors import IllegalTransition
from scheduler.domain.task import Attempt, Outcome, Status, Task

BLOCKED, SCHEDULED, READY, RUNNING = Status.BLOCKED, Status.SCHEDULED, Status.READY, Status.RUNNING
COMPLETED, FAILED, CANCELLED = Status.COMPLETED, Status.FAILED, Status.CANCELLED

MOVES: dict[Status, frozenset[Status]] = {
    BLOCKED: frozenset({SCHEDULED, READY, CANCELLED}),
    SCHEDULED: frozenset({READY, BLOCKED, CANCELLED}),
    READY: frozenset({RUNNING, SCHEDULED, BLOCKED, CANCELLED}),
    RUNNING: frozenset({COMPLETED, FAILED, CANCELLED, READY, SCHEDULED}),
    COMPLETED: frozenset(),
    FAILED: frozenset({BLOCKED, SCHEDULED, READY}),
    CANCELLED: frozenset({BLOCKED, SCHEDULED, READY}),
}

BACKOFF_FIRST, BACKOFF_FACTOR, BACKOFF_CAP = 1.0, 2.0, 300.0  # seconds, times, seconds

Verb = Literal["complete", "fail", "release"]
Opening = Callable[[Task, float], Task]

_NO_LEASE: dict[str, Any] = {"holder": None, "lease_s": None, "lease_expires_s": None}


def _check(task: Task, to: Status) -> None:
    if to not in MOVES[task.status]:
        raise illegal(task, f"become {to}")


def _move(task: Task, to: Status, **changes: Any) -> Task:
    _check(task, to)
    return replace(task, status=to, revision=task.revision + 1, **changes)


def illegal(task: Task, wish: str) -> IllegalTransition:
    """The error for a `wish` that the task's status does not allow, with the task's story."""
    story = f"attempt {task.attempt} of {task.max_attempts}, revision {task.revision}"
    allowed = ", ".join(sorted(MOVES[task.status])) or "nothing: it is final"
    return IllegalTransition(
        f"task {task.id} is {task.status} ({story}) and cannot {wish}",
        field="task_id",
        received=task.id,
        allowed=f"from {task.status}: {allowed}",
        hint="Look at it with get before you try again.",
    )


def revise(task: Task, **changes: Any) -> Task:
    """The task with other facts and the same status."""
    return replace(task, revision=task.revision + 1, **changes)


def open_at(task: Task, now: float) -> Task:
    """A task whose prerequisites are met: SCHEDULED until its time has come, else READY."""
    if task.not_before_s is not None and task.not_before_s > now:
        return task if task.status is SCHEDULED else _move(task, SCHEDULED, ready_s=None)
    return task if task.status is READY else _move(task, READY, ready_s=now)


def open_new(task: Task, now: float) -> Task:
    """The same for a task that has just been made: its first revision."""
    return replace(open_at(task, now), revision=1)


def block(task: Task) -> Task:
    """The task waits for prerequisites again."""
    return _move(task, BLOCKED, ready_s=None) if task.status is not BLOCKED else task


def claim(task: Task, holder: str, token: str, lease: float, now: float) -> Task:
    """The task handed to `holder` for `lease` seconds."""
    _check(task, RUNNING)
    return replace(  # spelled out: handing keywords on costs 1 us, and each task is claimed
        task,
        status=RUNNING,
        revision=task.revision + 1,
        attempt=task.attempt + 1,
        holder=holder,
        token=token,
        lease_s=lease,
        lease_expires_s=now + lease,
        started_s=now,
        progress=None,
        note=None,
    )


def heartbeat(
    task: Task, lease: float | None, progress: float | None, note: str | None, now: float
) -> Task:
    """The lease extended. No move and no revision: a heartbeat is no change in the feed."""
    seconds = task.lease_s if lease is None else lease
    assert seconds is not None
    return replace(
        task,
        lease_s=seconds,
        lease_expires_s=now + seconds,
        progress=task.progress if progress is None else progress,
        note=task.note if note is None else note,
    )


def complete(task: Task, result_json: str | None, now: float) -> Task:
    """The work is done. The row keeps the last token, to know a repeated call again."""
    _check(task, COMPLETED)
    return replace(
        task,
        status=COMPLETED,
        revision=task.revision + 1,
        holder=None,
        lease_s=None,
        lease_expires_s=None,
        result_json=result_json,
        finished_s=now,
        error=None,
    )


def fail(task: Task, error: str, now: float) -> Task:
    """The work has failed for good."""
    return _move(task, FAILED, error=error, finished_s=now, **_NO_LEASE)


def retry_later(task: Task, error: str, delay: float, now: float) -> Task:
    """The attempt has failed; the next one may begin `delay` seconds from now."""
    return _move(task, SCHEDULED, error=error, not_before_s=now + delay, ready_s=None, **_NO_LEASE)


def release(task: Task) -> Task:
    """The holder gives the task back: it costs no attempt, and its place in the queue stays."""
    return _move(task, READY, attempt=task.attempt - 1, started_s=None, **_NO_LEASE)


def interrupt(task: Task) -> Task:
    """The same, decided by others: the holder's token is worth nothing any more."""
    return replace(release(task), token=None)


def ended_by(task: Task, token: str) -> Verb | None:
    """With which call the holder of `token` has ended its attempt; None if it has not.

    The row keeps the token until the next claim, so that a repeated call is known.
    """
    if task.token != token:
        return None
    match task.status:
        case Status.COMPLETED:
            return "complete"
        case Status.FAILED:
            return "fail"
        case Status.RUNNING | Status.CANCELLED:
            return None
        case _:
            return "release" if task.started_s is None else "fail"


def expire(task: Task, now: float) -> Task:
    """The lease ran out: back to the queue, or FAILED when the attempts are spent."""
    story = f"the lease of {task.lease_s:g} s expired, as no heartbeat came in time"
    task = replace(task, token=None)  # a late call with it must hear lease_lost
    if task.attempt >= task.max_attempts:
        return fail(task, f"attempt {task.attempt} of {task.max_attempts}: {story}", now)
    return _move(task, READY, error=story, **_NO_LEASE)


def cancel(task: Task, now: float, reason: str | None = None, cause: int | None = None) -> Task:
    """The task will not be done: asked for, or because the task `cause` failed or was cancelled."""
    if task.status.finished:
        raise illegal(task, "be cancelled")
    return _move(
        task, CANCELLED, error=reason, cause_number=cause, finished_s=now, token=None, **_NO_LEASE
    )


def reopen(task: Task) -> Task:
    """A failed or cancelled task starts over with fresh attempts; it is BLOCKED until placed."""
    return _move(
        task,
        BLOCKED,
        attempt=0,
        token=None,
        started_s=None,
        finished_s=None,
        ready_s=None,
        error=None,
        cause_number=None,
        progress=None,
        note=None,
    )


def backoff(attempt: int, jitter: float) -> float:
    """Seconds between failed attempt number `attempt` and the next; `jitter` is in 0..1.

    Exponential with "equal jitter": between half the nominal delay and all of it
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).

    >>> backoff(1, 1.0), backoff(3, 0.0), backoff(50, 1.0)
    (1.0, 2.0, 300.0)
    """
    nominal = min(BACKOFF_CAP, BACKOFF_FIRST * BACKOFF_FACTOR ** min(attempt - 1, 30))
    return nominal * (0.5 + jitter / 2)


def attempt_of(running: Task, outcome: Outcome, now: float, error: str | None = None) -> Attempt:
    """The history entry for the attempt that ends now; `running` is the task before the move."""
    assert running.holder is not None and running.started_s is not None
    return Attempt(
        running.number, running.attempt, running.holder, running.started_s, now, outcome, error
    )
