"""`task_execution_plan` and `task_explain`: what comes when, and why not now."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from scheduler import shapes
from scheduler.domain.errors import InvalidRequest, UnknownTask
from scheduler.domain.task import Status
from scheduler.domain.views import Explanation
from scheduler.endpoint.toolkit import returns
from scheduler.endpoint.toolkit.arguments import Field
from scheduler.endpoint.toolkit.bounds import NEIGHBORS
from scheduler.endpoint.toolkit.fields import Id, Number, Several, Text
from scheduler.endpoint.toolkit.task_fields import TASK_ID
from scheduler.endpoint.toolkit.tool import Tool
from scheduler.endpoint.tools.looking import STEPS
from scheduler.handle import Handle
from scheduler.shapes import Shape

PLANNED = 1_500  # ids in batches
CRITICAL = 500  # ids on the critical path
OUTSIDE = 100  # tasks that wait for others outside the plan
LOOKED_AT = 200  # blocked tasks
NAMED = 20  # tasks that can be acted on


async def task_execution_plan(
    scheduler: Handle,
    *,
    task_ids: Sequence[str] | None = None,
    group: str | None = None,
    workers: int | None = None,
) -> Shape:
    """How unfinished tasks can run."""
    plan = shapes.plan(await scheduler.execution_plan(task_ids, group=group, workers=workers))
    if group is not None and not plan["batches"]:
        await _check_group(scheduler, group)
    batches, room = [], PLANNED
    for batch in plan["batches"]:
        if room <= 0:
            break
        batches.append(batch[:room])
        room -= len(batch)
    waits_for = dict(list(plan["waits_for"].items())[:OUTSIDE])
    cut = plan | {
        "batches": batches,
        "critical_path": plan["critical_path"][:CRITICAL],
        "waits_for": {task: others[: NAMED // 2] for task, others in waits_for.items()},
    }
    return cut | {"finished": not plan["batches"], "truncated": cut != plan}


async def _check_group(scheduler: Handle, group: str) -> None:
    """Refuse a group that no task has ever had, as far as a bounded look can tell."""
    cursor = None
    for _ in range(STEPS):
        page = await scheduler.list(group=group, limit=1, cursor=cursor)
        cursor = page.cursor
        if page.tasks:
            return
        if not page.has_more:
            raise InvalidRequest(
                "no task has this group",
                field="group",
                received=group,
                allowed="a group of tasks on record",
                hint="Look for its spelling with task_list and fields=group.",
            )


async def task_explain(scheduler: Handle, *, task_id: str) -> Shape:
    """Why a task is not running, and what to act on."""
    found = await scheduler.explain(task_id)
    first, more = await _first_things(scheduler, found)
    shape = shapes.explanation(found)
    return shape | {
        "blocked_by": shape["blocked_by"][:NEIGHBORS],
        "total_blocked_by": len(found.blocked_by),
        "unblock": [_step(one) for one in first],
        "unblock_more": more,
    }


async def _first_things(scheduler: Handle, found: Explanation) -> tuple[list[Explanation], bool]:
    """The tasks that can be acted on now: all else that `found` waits for stands behind them.

    Looks at a bounded number of tasks; says whether there may be more.
    """
    first: list[Explanation] = []
    seen = {found.task.id}
    waiting: deque[str] = deque()
    one: Explanation | None = found
    looked_at = 0
    while len(first) < NAMED and looked_at < LOOKED_AT:
        if one is not None and one.task.status is Status.BLOCKED:
            ahead = [other.id for other in one.blocked_by if other.id not in seen]
            seen.update(ahead)
            waiting.extend(ahead)
        elif one is not None and not one.task.status.finished:
            first.append(one)
        if not waiting:
            return first, False
        looked_at += 1
        one = await _explain(scheduler, waiting.popleft())
    return first, True


async def _explain(scheduler: Handle, task_id: str) -> Explanation | None:
    """None for a task that has been finished and forgotten since."""
    try:
        return await scheduler.explain(task_id)
    except UnknownTask:
        return None


def _step(one: Explanation) -> Shape:
    task = one.task
    return {
        "task_id": task.id,
        "summary": task.summary,
        "status": task.status,
        "agent_type": task.agent_type,
        "do": _deed(one),
    }


def _deed(one: Explanation) -> str:
    match one.task.status:
        case Status.RUNNING:
            return "task_wait for its holder"
        case Status.SCHEDULED:
            return f"task_wait until {shapes.when(one.task.not_before)}"
        case Status.READY if "paused" in one.reason:
            return "queue_resume its agent_type (offered with --tools all)"
        case Status.READY:
            return "task_claim with its agent_type"
        case _:
            return "task_get to see how it ended"


PLAN = Tool(
    name="task_execution_plan",
    title="Plan the execution",
    about=(
        "In which order unfinished tasks can run: of the given task_ids, of a group, or of all. "
        "Use it to see what can go in parallel, what the critical path is and, with workers, how "
        "long it will take. It changes nothing, and workers need no plan: task_claim keeps the "
        "order. Returns batches; the tasks of one batch can run side by side. Finished tasks are "
        "left out; finished: none is left. truncated: the lists were cut, the totals hold."
    ),
    effect="reads",
    inputs=(
        Field(
            "task_ids",
            Several(Id(), least=1),
            "default: all unfinished",
            aliases=("ids", "tasks", "task_id", "id"),
        ),
        Field("group", Text(), "instead of task_ids"),
        Field(
            "workers",
            Number(1, 1_000_000, whole=True),
            "simulate so many: one pool of workers for all agent types",
        ),
    ),
    outputs={
        "batches": returns.many(returns.ids()),
        "total_batches": returns.whole(),
        "max_parallelism": returns.whole(),
        "critical_path": returns.ids("the longest chain"),
        "critical_path_seconds": returns.number(),
        "total_seconds": returns.number("of work"),
        "waits_for": returns.mapping(returns.ids(), "unfinished tasks outside the plan, by id"),
        "workers": returns.whole(),
        "makespan_seconds": returns.number(
            "with workers: how long it takes if each can do every agent_type"
        ),
        "lower_bound_seconds": returns.number(),
        "finished": returns.flag("no task of it is unfinished"),
        "truncated": returns.flag(),
    },
    answer=task_execution_plan,
)

EXPLAIN = Tool(
    name="task_explain",
    title="Explain a task",
    about=(
        "Why a task is not running, what its priority is made of, and what to do about it. Use "
        "it when a task is stuck or comes later than you think. Not for its content: task_get. "
        "Returns reason, blocked_by (direct, unfinished) and unblock: the tasks to act on now, "
        "behind which all else that it waits for stands."
    ),
    effect="reads",
    inputs=(TASK_ID,),
    outputs={
        "task_id": returns.text(),
        "status": returns.STATUS,
        "reason": returns.text(),
        "unblock": returns.many(
            returns.fields(
                {
                    "task_id": returns.text(),
                    "summary": returns.text(),
                    "status": returns.text(),
                    "agent_type": returns.text(),
                    "do": returns.text("the next call"),
                }
            )
        ),
        "unblock_more": returns.flag("there may be more of them"),
        "blocked_by": returns.RELATED,
        "total_blocked_by": returns.whole(),
        "ahead": returns.whole("ready tasks of its agent_type before it", null=True),
        "calculated_priority": returns.number(),
        "components": returns.mapping(returns.number(), "0 to 100 each, before weights"),
        "aging": returns.number("points gained by waiting"),
        "rank_seconds": returns.number("longest chain of work from it on"),
        "effective_deadline": returns.text(null=True),
    },
    answer=task_explain,
)
