"""What `--json` prints: the same field names as the tools of the MCP endpoint."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from scheduler.domain.task import Attempt, Status, Task, moment, utc_text
from scheduler.domain.views import (
    Cancellation,
    Claim,
    Ended,
    Explanation,
    LimitStatus,
    Page,
    Plan,
    QueueStatus,
    Related,
    RunningLease,
    ScheduleStatus,
    TaskDetails,
)

Shape = dict[str, Any]


def when(time: datetime | None) -> str | None:
    """ISO 8601 in UTC."""
    return None if time is None else utc_text(time)


def enqueued(task: Task) -> Shape:
    """The answer to enqueue."""
    return {
        "task_id": task.id,
        "status": task.status,
        "calculated_priority": round(task.priority, 2),
        "dependency_depth": task.dependency_depth,
        "existing": task.existing,
    }


def whole(task: Task) -> Shape:
    """A task with all its fields; never the lease token."""
    return {
        "task_id": task.id,
        "summary": task.summary,
        "description": task.description,
        "status": task.status,
        "source": task.source,
        "agent_type": task.agent_type,
        "base_priority": task.base_priority,
        "calculated_priority": round(task.priority, 2),
        "dependency_depth": task.dependency_depth,
        "group": task.group,
        "parent_id": task.parent_id,
        "key": task.key,
        "deadline": when(task.deadline),
        "not_before": when(task.not_before),
        "estimated_duration": task.estimated_duration,
        "timeout": task.timeout,
        "limit_key": task.limit_key,
        "attempt": task.attempt,
        "max_attempts": task.max_attempts,
        "revision": task.revision,
        "created_at": when(task.created_at),
        "ready_at": when(task.ready_at),
        "started_at": when(task.started_at),
        "finished_at": when(task.finished_at),
        "lease": None
        if task.lease is None
        else {"holder": task.lease.holder, "expires_at": when(task.lease.expires_at)},
        "progress": task.progress,
        "note": task.note,
        "payload": task.payload,
        "result": task.result,
        "error": task.error,
        "cause": task.cause,
        "prerequisites": list(task.prerequisites),
        "run_after": list(task.run_after),
    }


def details(found: TaskDetails) -> Shape:
    """A task with its neighbors and attempts."""
    return whole(found.task) | {
        "prerequisites": [related(other) for other in found.prerequisites if other.must_succeed],
        "run_after": [related(other) for other in found.prerequisites if not other.must_succeed],
        "dependents": [related(other) for other in found.dependents],
        "attempts": [attempt(one) for one in found.attempts],
    }


def related(other: Related) -> Shape:
    """A neighbor in the graph, in short."""
    return {"task_id": other.id, "summary": other.summary, "status": other.status}


def attempt(one: Attempt) -> Shape:
    """An attempt that has ended."""
    return {
        "attempt": one.attempt,
        "holder": one.holder,
        "started_at": when(moment(one.started_s)),
        "ended_at": when(moment(one.ended_s)),
        "outcome": one.outcome,
        "error": one.error,
    }


def compact(task: Task) -> Shape:
    """A task in few words."""
    return {
        "task_id": task.id,
        "summary": task.summary,
        "status": task.status,
        "agent_type": task.agent_type,
        "calculated_priority": round(task.priority, 2),
    }


def row(task: Task, blocked_by: int) -> Shape:
    """A task in a list; `blocked_by` counts the unfinished tasks that it waits for."""
    return compact(task) | {"group": task.group, "blocked_by": blocked_by, "error": task.error}


def page(found: Page) -> Shape:
    """A page of a list."""
    return {
        "tasks": [row(task, found.blocked_by.get(task.id, 0)) for task in found.tasks],
        "next_cursor": found.cursor,
        "has_more": found.has_more,
    }


def queue_status(status: QueueStatus) -> Shape:
    """The queue in numbers."""
    return {
        "total_tasks": status.total_tasks,
        **{str(name): count for name, count in status.counts.items()},
        "avg_priority": round(status.avg_priority, 2),
        "oldest_pending": when(status.oldest_pending),
        "max_depth": status.max_depth,
        "leases": [running_lease(lease) for lease in status.leases],
        "paused": list(status.paused),
        "database": status.database,
        **({} if status.owner_pid is None else {"owner_pid": status.owner_pid}),
        "sequence": status.sequence,
    }


def running_lease(lease: RunningLease) -> Shape:
    """Who works on which task, and until when."""
    return {
        "task_id": lease.id,
        "holder": lease.holder,
        "agent_type": lease.agent_type,
        "expires_at": when(lease.expires_at),
    }


def limit(status: LimitStatus) -> Shape:
    """A limit or a share, and how it stands."""
    return {
        "kind": status.kind,
        "name": status.name,
        "concurrency": status.concurrency,
        "starts": status.starts,
        "per": status.per,
        "burst": status.burst,
        "weight": status.weight,
        "running": status.running,
        "opens_at": when(status.opens_at),
    }


def schedule(status: ScheduleStatus) -> Shape:
    """Work that recurs, and how it stands."""
    return {
        "name": status.name,
        "when": status.when,
        "timezone": status.timezone,
        "catch_up": status.catch_up,
        "deadline_after": status.deadline_after,
        "summary": status.summary,
        "agent_type": status.agent_type,
        "group": status.group,
        "next_at": when(status.next_at),
        "last_task_id": status.last_task_id,
    }


def cancellation(done: Cancellation) -> Shape:
    """What a cancel did, or would do."""
    return {
        "cancelled_task_id": done.cancelled_task_id,
        "cascaded_task_ids": list(done.cascaded_task_ids),
        "total_cancelled": done.total_cancelled,
        "dry_run": done.dry_run,
    }


def retried(tasks: list[Task]) -> Shape:
    """What a retry re-opened, the task itself first."""
    return {
        "task_id": tasks[0].id,
        "status": tasks[0].status,
        "reopened_task_ids": [task.id for task in tasks],
        "total_reopened": len(tasks),
    }


def claim(claimed: Claim) -> Shape:
    """A task to work on; what is absent from the task is left out."""
    task = {name: fact for name, fact in whole(claimed.task).items() if fact is not None}
    return {
        "task_id": claimed.task.id,
        "lease_token": claimed.token,
        "lease_expires_at": when(claimed.expires_at),
        "task": task,
        "prerequisite_results": claimed.results,
        "results_truncated": claimed.truncated,
    }


def completed(ended: Ended) -> Shape:
    """What a completion did."""
    return {
        "task_id": ended.task.id,
        "status": ended.task.status,
        "unblocked": list(ended.released),
        "total_unblocked": len(ended.released),
    }


def failed(ended: Ended) -> Shape:
    """What a failure did: another attempt, or the end of the task and of what needed it."""
    task = ended.task
    again = task.status is Status.SCHEDULED
    return {
        "task_id": task.id,
        "status": task.status,
        "next_attempt_at": when(task.not_before) if again else None,
        "attempts_left": 0 if task.status.finished else task.max_attempts - task.attempt,
        "cascaded_task_ids": list(ended.fallen),
        "total_cascaded": len(ended.fallen),
    }


def plan(made: Plan) -> Shape:
    """An execution plan; the last three only when workers were given."""
    shape: Shape = {
        "batches": [list(batch) for batch in made.batches],
        "total_batches": made.total_batches,
        "max_parallelism": made.max_parallelism,
        "critical_path": list(made.critical_path),
        "critical_path_seconds": round(made.critical_path_seconds, 3),
        "total_seconds": round(made.total_seconds, 3),
        "waits_for": {task: list(others) for task, others in made.waits_for.items()},
    }
    if made.makespan_seconds is not None and made.lower_bound_seconds is not None:
        shape |= {
            "workers": made.workers,
            "makespan_seconds": round(made.makespan_seconds, 3),
            "lower_bound_seconds": round(made.lower_bound_seconds, 3),
        }
    return shape


def explanation(found: Explanation) -> Shape:
    """Why a task is not running, and what its score is made of."""
    parts = found.components
    return {
        "task_id": found.task.id,
        "status": found.task.status,
        "reason": found.reason,
        "calculated_priority": round(found.score + found.aging, 2),
        "components": {
            "base": round(parts.base, 2),
            "criticality": round(parts.criticality, 2),
            "urgency": round(parts.urgency, 2),
            "blocking": round(parts.blocking, 2),
            "source": round(parts.source, 2),
        },
        "aging": round(found.aging, 2),
        "rank_seconds": round(found.rank_seconds, 3),
        "effective_deadline": when(found.effective_deadline),
        "ahead": found.ahead,
        "blocked_by": [related(other) for other in found.blocked_by],
    }
