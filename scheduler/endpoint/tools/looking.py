"""`task_list`, `task_get` and `task_queue_status`: what the queue holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from scheduler import shapes
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.task import Status, Task
from scheduler.endpoint.toolkit import returns
from scheduler.endpoint.toolkit.arguments import Field
from scheduler.endpoint.toolkit.bounds import (
    ATTEMPTS,
    EXCERPT,
    NEIGHBORS,
    Rows,
    excerpt,
    json_excerpt,
)
from scheduler.endpoint.toolkit.fields import Choice, Cursor, Number, Schema, Several, Text, Words
from scheduler.endpoint.toolkit.task_fields import TASK_ID
from scheduler.endpoint.toolkit.tool import Tool
from scheduler.handle import Handle
from scheduler.shapes import Shape

STEPS = 100  # pages looked through, if a rare filter leaves them empty
EXTRA = (
    "group",
    "source",
    "base_priority",
    "dependency_depth",
    "key",
    "parent_id",
    "description",
    "deadline",
    "not_before",
    "estimated_duration",
    "timeout",
    "limit_key",
    "attempt",
    "max_attempts",
    "revision",
    "created_at",
    "ready_at",
    "started_at",
    "finished_at",
    "lease",
    "progress",
    "note",
    "error",
    "cause",
    "payload",
    "result",
    "prerequisites",
    "run_after",
)
STATUSES = (*map(str, Status), "pending")


async def task_list(
    scheduler: Handle,
    *,
    limit: int,
    cursor: str | None = None,
    fields: Sequence[str] = (),
    status: Sequence[str] = (),
    **where: Any,
) -> Shape:
    """A page of compact rows, with the columns that were asked for."""
    rows, steps = Rows(limit), STEPS
    while steps and (wanted := rows.wanted()):
        page = await scheduler.list(limit=wanted, cursor=cursor, status=status or None, **where)
        found = [row(task, page.blocked_by.get(task.id, 0), fields) for task in page.tasks]
        if rows.take(found) < len(found):
            cursor = rows.taken[-1]["task_id"]
            break
        cursor = page.cursor
        if cursor is None or (rows.taken and len(found) < wanted):
            break  # all of them; or some, though the filter is rare
        steps -= not found
    return {"tasks": rows.taken, "next_cursor": cursor, "has_more": cursor is not None}


def row(task: Task, blocked_by: int, fields: Sequence[str] = ()) -> Shape:
    """A task in a list, and some more of its fields; long texts are cut."""
    shape = shapes.compact(task) | {"blocked_by": blocked_by}
    if fields:
        facts = shapes.whole(replace(task, payload_json=None, result_json=None))
        facts |= {name: excerpt(facts[name]) for name in ("description", "error")}
        facts["payload"] = json_excerpt(task.payload_json)
        facts["result"] = json_excerpt(task.result_json)
        shape |= {name: facts[name] for name in fields}
    return shape


async def task_get(scheduler: Handle, *, task_id: str) -> Shape:
    """The complete task; neighbors and attempts up to a bound."""
    found = shapes.details(await scheduler.details(task_id))
    dependents, attempts = found["dependents"], found["attempts"]
    return found | {
        "dependents": dependents[:NEIGHBORS],
        "total_dependents": len(dependents),
        "attempts": [
            attempt | {"error": excerpt(attempt["error"])} for attempt in attempts[-ATTEMPTS:]
        ],
        "total_attempts": len(attempts),
    }


async def task_queue_status(scheduler: Handle) -> Shape:
    """The queue in numbers."""
    return shapes.queue_status(await scheduler.queue_status())


ROW: dict[str, Schema] = {
    "task_id": returns.text(),
    "summary": returns.text(),
    "status": returns.text(),
    "agent_type": returns.text(),
    "calculated_priority": returns.number(),
}

LIST = Tool(
    name="task_list",
    title="List tasks",
    about=(
        "List tasks, newest first, in short rows. Use it to look tasks up by status, source, "
        "agent_type or group; task_get for one in full, task_queue_status for counts alone. "
        "Not for finding work: task_claim chooses. Returns one page; while has_more is true, "
        "call again with cursor = next_cursor and the same filters. A page of large rows may "
        "hold fewer than limit."
    ),
    effect="reads",
    inputs=(
        Field(
            "status",
            Words(Choice(STATUSES)),
            f"{', '.join(STATUSES)} (blocked, scheduled or ready); several with commas between",
        ),
        Field("source", Choice(tuple(SOURCE_SCORES))),
        Field("agent_type", Text()),
        Field("group", Text()),
        Field("limit", Number(1, 500, whole=True), default=20),
        Field("cursor", Cursor(), "next_cursor of the page before"),
        Field(
            "fields",
            Several(Choice(EXTRA)),
            f"more columns; description and error, and the JSON text of payload and result, "
            f"are cut at {EXCERPT:,} characters",
        ),
    ),
    outputs={
        "tasks": returns.many(
            returns.fields(
                ROW | {"blocked_by": returns.whole("how many unfinished tasks it waits for")}
            )
        ),
        "next_cursor": returns.text(null=True),
        "has_more": returns.flag(),
    },
    answer=task_list,
)

TASK: dict[str, Schema] = {
    "task_id": returns.text(),
    "summary": returns.text(),
    "description": returns.text(),
    "status": returns.STATUS,
    "source": returns.text(),
    "agent_type": returns.text(),
    "base_priority": returns.whole(),
    "calculated_priority": returns.number(),
    "dependency_depth": returns.whole(),
    "group": returns.text(null=True),
    "parent_id": returns.text(null=True),
    "key": returns.text(null=True),
    "deadline": returns.text(null=True),
    "not_before": returns.text(null=True),
    "estimated_duration": returns.number("seconds"),
    "timeout": returns.number(null=True),
    "limit_key": returns.text(null=True),
    "attempt": returns.whole("so far"),
    "max_attempts": returns.whole(),
    "revision": returns.whole(),
    "created_at": returns.text(),
    "ready_at": returns.text(null=True),
    "started_at": returns.text(null=True),
    "finished_at": returns.text(null=True),
    "lease": returns.fields({"holder": returns.text(), "expires_at": returns.text()}, null=True),
    "progress": returns.number(null=True),
    "note": returns.text(null=True),
    "payload": returns.json(),
    "result": returns.json(),
    "error": returns.text(null=True),
    "cause": returns.text("the task whose end took this one with it", null=True),
}

GET = Tool(
    name="task_get",
    title="Get a task",
    about=(
        "Everything about one task: its fields, payload, result and error whole, its neighbors "
        "in the graph, its past attempts. Use it before you decide about a task; task_explain "
        "for why it does not run, task_wait instead of asking again and again. Not needed after "
        f"task_claim, which gives the task. Returns up to {NEIGHBORS} dependents and the last "
        f"{ATTEMPTS} attempts, all counted."
    ),
    effect="reads",
    inputs=(TASK_ID,),
    outputs=TASK
    | {
        "prerequisites": returns.RELATED,
        "run_after": returns.RELATED,
        "dependents": returns.RELATED,
        "total_dependents": returns.whole(),
        "attempts": returns.many(
            returns.fields(
                {
                    "attempt": returns.whole(),
                    "holder": returns.text(),
                    "started_at": returns.text(),
                    "ended_at": returns.text(),
                    "outcome": returns.text(),
                    "error": returns.text(null=True),
                }
            )
        ),
        "total_attempts": returns.whole(),
    },
    answer=task_get,
)

QUEUE_STATUS = Tool(
    name="task_queue_status",
    title="Queue status",
    about=(
        "The queue in numbers: a count for each status, who works on what (up to 20 leases, "
        "soonest to expire first), paused agent types. Use it for an overview, and for the "
        "sequence from which task_wait goes on. Not for single tasks: task_list."
    ),
    effect="reads",
    inputs=(),
    outputs={
        "total_tasks": returns.whole(),
        **{str(status): returns.whole() for status in Status},
        "avg_priority": returns.number("of unfinished tasks"),
        "oldest_pending": returns.text("when it was enqueued", null=True),
        "max_depth": returns.whole(),
        "leases": returns.many(
            returns.fields(
                {
                    "task_id": returns.text(),
                    "holder": returns.text(),
                    "agent_type": returns.text(),
                    "expires_at": returns.text(),
                }
            )
        ),
        "paused": returns.many(returns.text(), "agent types"),
        "database": returns.text("path"),
        "owner_pid": returns.whole("the process that owns it; absent in memory"),
        "sequence": returns.whole("of the latest change"),
    },
    answer=task_queue_status,
)
