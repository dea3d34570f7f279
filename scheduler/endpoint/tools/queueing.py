"""`task_enqueue` and `task_cancel`: what goes into the queue, and what is taken out undone."""

from __future__ import annotations

from typing import Any

from scheduler import shapes
from scheduler.endpoint.toolkit import returns
from scheduler.endpoint.toolkit.arguments import Field
from scheduler.endpoint.toolkit.bounds import IDS
from scheduler.endpoint.toolkit.fields import Flag, Text
from scheduler.endpoint.toolkit.task_fields import NEW_TASK, TASK_ID
from scheduler.endpoint.toolkit.tool import Tool
from scheduler.handle import Handle
from scheduler.shapes import Shape


async def task_enqueue(scheduler: Handle, *, description: str, **fields: Any) -> Shape:
    """Make one task."""
    return shapes.enqueued(await scheduler.enqueue(description, **fields))


async def task_cancel(
    scheduler: Handle, *, task_id: str, reason: str | None = None, dry_run: bool = False
) -> Shape:
    """Cancel a task and what cannot start without it."""
    done = shapes.cancellation(await scheduler.cancel(task_id, reason, dry_run=dry_run))
    return done | {"cascaded_task_ids": done["cascaded_task_ids"][:IDS]}


ENQUEUE = Tool(
    name="task_enqueue",
    title="Enqueue a task",
    about=(
        "Put one task into the queue; only description is required. Use it for work that someone "
        "with agent_type can claim, now or once its prerequisites are completed. Give a key when "
        "you may repeat the call. Not for work that you do at once, nor to change a task. "
        "Returns the new task_id and status: ready, or blocked by prerequisites, or scheduled. "
        "A prerequisite that has failed is refused."
    ),
    effect="adds",
    inputs=NEW_TASK,
    outputs={
        "task_id": returns.text(),
        "status": returns.STATUS,
        "calculated_priority": returns.number("0 to 100, higher first"),
        "dependency_depth": returns.whole("longest chain of open prerequisites"),
        "existing": returns.flag("true: the key was known, nothing new was made"),
    },
    answer=task_enqueue,
    makes_tasks=True,
)

CANCEL = Tool(
    name="task_cancel",
    title="Cancel a task",
    about=(
        "Cancel an unfinished task and every task that cannot start without it; a running one "
        "loses its lease. Use it for work that nobody wants any more, first with dry_run to see "
        "what would go. Not for work that you claimed and cannot do: task_fail that. Returns "
        f"what was cancelled; up to {IDS:,} ids, all counted."
    ),
    effect="ends",
    inputs=(
        TASK_ID,
        Field("reason", Text(), "kept as the task's error"),
        Field("dry_run", Flag(), "only say what would be cancelled", default=False),
    ),
    outputs={
        "cancelled_task_id": returns.text(),
        "cascaded_task_ids": returns.ids("dependents that went with it"),
        "total_cancelled": returns.whole(),
        "dry_run": returns.flag(),
    },
    answer=task_cancel,
    repeatable=True,
)
