"""What a supervisor does: retry, update, add prerequisites, pause and resume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scheduler import shapes
from scheduler.arguments import CHANGEABLE
from scheduler.domain.errors import InvalidRequest
from scheduler.domain.task import Task
from scheduler.endpoint.toolkit import returns
from scheduler.endpoint.toolkit.arguments import Field
from scheduler.endpoint.toolkit.bounds import IDS
from scheduler.endpoint.toolkit.fields import Choice, Flag, Several, Text
from scheduler.endpoint.toolkit.task_fields import NEW_TASK, PREREQUISITES, RUN_AFTER, TASK_ID
from scheduler.endpoint.toolkit.tool import Tool
from scheduler.handle import Handle
from scheduler.shapes import Shape

CLEARED = ("deadline", "not_before", "payload", "group", "timeout", "limit_key")


async def task_retry(scheduler: Handle, *, task_id: str, cascade: bool) -> Shape:
    """Re-open a failed or cancelled task."""
    done = shapes.retried(await scheduler.retry(task_id, cascade=cascade))
    return done | {"reopened_task_ids": done["reopened_task_ids"][:IDS]}


async def task_update(
    scheduler: Handle, *, task_id: str, clear: Sequence[str] = (), **fields: Any
) -> Shape:
    """Change fields of an unfinished task."""
    for name in clear:
        if fields.get(name) is not None:
            raise InvalidRequest(
                "a field is to be set and cleared",
                field=name,
                allowed="one of the two",
                hint=f"Leave {name} out, or take it out of clear.",
            )
    fields |= dict.fromkeys(clear)
    task = await scheduler.update(task_id, **fields)
    return _changed(task) | {"updated": sorted(fields)}


async def task_add_prerequisites(
    scheduler: Handle,
    *,
    task_id: str,
    prerequisites: Sequence[str] = (),
    run_after: Sequence[str] = (),
) -> Shape:
    """Let a task wait for more tasks."""
    if not prerequisites and not run_after:
        raise InvalidRequest(
            "nothing is to be added",
            field="prerequisites",
            allowed="ids in prerequisites, in run_after, or in both",
            hint="Name at least one id.",
        )
    task = await scheduler.add_prerequisites(task_id, prerequisites, run_after=run_after)
    return _changed(task) | {
        "prerequisites": list(task.prerequisites),
        "run_after": list(task.run_after),
    }


def _changed(task: Task) -> Shape:
    return {
        "task_id": task.id,
        "status": task.status,
        "calculated_priority": round(task.priority, 2),
        "dependency_depth": task.dependency_depth,
        "revision": task.revision,
    }


async def queue_pause(scheduler: Handle, *, agent_type: str) -> Shape:
    """Hand out no more tasks of this type."""
    await scheduler.pause(agent_type)
    return {"agent_type": agent_type, "paused": True}


async def queue_resume(scheduler: Handle, *, agent_type: str) -> Shape:
    """Hand them out again."""
    await scheduler.resume(agent_type)
    return {"agent_type": agent_type, "paused": False}


CHANGED = {
    "task_id": returns.text(),
    "status": returns.STATUS,
    "calculated_priority": returns.number(),
    "dependency_depth": returns.whole(),
    "revision": returns.whole(),
}

RETRY = Tool(
    name="task_retry",
    title="Retry a task",
    about=(
        "Re-open a failed or cancelled task with fresh attempts; with cascade also the tasks "
        "that fell with it. Use it once the cause is mended. Not for a failed attempt with "
        f"attempts left: that comes again by itself. Returns what was re-opened (up to {IDS:,})."
    ),
    effect="adds",
    inputs=(TASK_ID, Field("cascade", Flag(), "also what fell with it", default=False)),
    outputs={
        "task_id": returns.text(),
        "status": returns.STATUS,
        "reopened_task_ids": returns.ids("the task itself first"),
        "total_reopened": returns.whole(),
    },
    answer=task_retry,
)


def _changeable(field: Field) -> Field:
    """The argument of an update: never required, without the default of a new task."""
    clears = field.name in CLEARED
    return Field(
        field.name,
        field.kind,
        "null clears" if clears else "",
        clears=clears,
    )


UPDATE = Tool(
    name="task_update",
    title="Update a task",
    about=(
        "Change fields of an unfinished task, as in task_enqueue; what you leave out stays. "
        f"null, or its name in clear, makes {', '.join(CLEARED)} empty. A running task keeps its "
        "agent_type, limit_key and not_before. For more prerequisites: task_add_prerequisites. "
        "Returns the new status, priority and revision."
    ),
    effect="adds",
    inputs=(
        TASK_ID,
        *(_changeable(field) for field in NEW_TASK if field.name in CHANGEABLE),
        Field("clear", Several(Choice(CLEARED)), "fields to make empty"),
    ),
    outputs=CHANGED | {"updated": returns.many(returns.text(), "fields")},
    answer=task_update,
    repeatable=True,
    makes_tasks=True,
)

ADD_PREREQUISITES = Tool(
    name="task_add_prerequisites",
    title="Add prerequisites",
    about=(
        "Let a task that is not running yet wait for more tasks. Use it when you find out that "
        "it needs them; what it waits for already stays. A cycle is refused with its path. "
        "Returns all its prerequisites."
    ),
    effect="adds",
    inputs=(TASK_ID, PREREQUISITES, RUN_AFTER),
    outputs=CHANGED | {"prerequisites": returns.ids(), "run_after": returns.ids()},
    answer=task_add_prerequisites,
    repeatable=True,
    makes_tasks=True,
)

AGENT_TYPE = Field("agent_type", Text(), required=True, aliases=("name",))
LANE = {"agent_type": returns.text(), "paused": returns.flag()}

PAUSE = Tool(
    name="queue_pause",
    title="Pause an agent type",
    about=(
        "Hand out no more tasks of an agent type; running ones go on. Use it while its work "
        "keeps failing for an outer reason. It holds until queue_resume, over restarts too."
    ),
    effect="ends",
    inputs=(AGENT_TYPE,),
    outputs=LANE,
    answer=queue_pause,
    repeatable=True,
)

RESUME = Tool(
    name="queue_resume",
    title="Resume an agent type",
    about="Hand out tasks of an agent type again after queue_pause.",
    effect="adds",
    inputs=(AGENT_TYPE,),
    outputs=LANE,
    answer=queue_resume,
    repeatable=True,
)
