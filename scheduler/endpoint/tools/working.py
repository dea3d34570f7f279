"""What a worker does with its claim: `task_heartbeat`, `task_complete`, `task_fail`,
`task_release`.
"""

from __future__ import annotations

from typing import Any

from scheduler import shapes
from scheduler.endpoint.toolkit import returns
from scheduler.endpoint.toolkit.arguments import Field
from scheduler.endpoint.toolkit.bounds import IDS
from scheduler.endpoint.toolkit.fields import Flag, Json, Number, Text
from scheduler.endpoint.toolkit.task_fields import LEASE_TOKEN, TASK_ID
from scheduler.endpoint.toolkit.tool import Tool
from scheduler.handle import Handle
from scheduler.shapes import Shape


async def task_heartbeat(
    scheduler: Handle,
    *,
    task_id: str,
    lease_token: str,
    progress: float | None = None,
    note: str | None = None,
) -> Shape:
    """Keep the lease."""
    until = await scheduler.heartbeat((task_id, lease_token), progress=progress, note=note)
    return {"task_id": task_id, "lease_expires_at": shapes.when(until)}


async def task_complete(
    scheduler: Handle, *, task_id: str, lease_token: str, result: Any = None
) -> Shape:
    """The work is done."""
    done = shapes.completed(await scheduler.complete((task_id, lease_token), result))
    return done | {"unblocked": done["unblocked"][:IDS]}


async def task_fail(
    scheduler: Handle, *, task_id: str, lease_token: str, error: str, retryable: bool
) -> Shape:
    """The attempt has failed."""
    claim = (task_id, lease_token)
    done = shapes.failed(await scheduler.fail(claim, error, retryable=retryable))
    return done | {"cascaded_task_ids": done["cascaded_task_ids"][:IDS]}


async def task_release(scheduler: Handle, *, task_id: str, lease_token: str) -> Shape:
    """Give the task back undone."""
    task = (await scheduler.release((task_id, lease_token))).task
    return {"task_id": task.id, "status": task.status}


TAKEN_AWAY = (
    "The errors lease_lost (the task is no longer yours) and already_finished (somebody else has "
    "even done it) mean: stop, drop the work, claim again."
)

HEARTBEAT = Tool(
    name="task_heartbeat",
    title="Keep a lease",
    about=(
        "Say that you still work on a claimed task: its lease starts anew. Call it at a third of "
        "the lease. Not to end work: task_complete, task_fail. Returns the new end of the lease. "
        f"{TAKEN_AWAY}"
    ),
    effect="adds",
    inputs=(
        TASK_ID,
        LEASE_TOKEN,
        Field("progress", Number(0, 1)),
        Field("note", Text(), "how it goes, up to 2,000 bytes"),
    ),
    outputs={"task_id": returns.text(), "lease_expires_at": returns.text()},
    answer=task_heartbeat,
    repeatable=True,
)

COMPLETE = Tool(
    name="task_complete",
    title="Complete a task",
    about=(
        "The claimed work is done. The result goes to the claims of the tasks that waited for "
        "it. Use it once the work is really finished; task_fail if it is not. After a lost "
        "connection call it again: nothing happens twice. Returns the ids that can start now "
        f"(up to {IDS:,}). {TAKEN_AWAY}"
    ),
    effect="adds",
    inputs=(
        TASK_ID,
        LEASE_TOKEN,
        Field("result", Json(), "any JSON up to 256 KiB"),
    ),
    outputs={
        "task_id": returns.text(),
        "status": returns.STATUS,
        "unblocked": returns.ids(),
        "total_unblocked": returns.whole(),
    },
    answer=task_complete,
    repeatable=True,
)

FAIL = Tool(
    name="task_fail",
    title="Fail a task",
    about=(
        "The claimed work could not be done. Use it with retryable=false when another try cannot "
        "help; otherwise the task comes again after a pause while attempts are left. Not for "
        "work that nobody wants: task_cancel. Returns status scheduled with next_attempt_at, or "
        f"failed with the dependents that were cancelled with it. {TAKEN_AWAY}"
    ),
    effect="ends",
    inputs=(
        TASK_ID,
        LEASE_TOKEN,
        Field("error", Text(), "what went wrong, up to 64 KiB", required=True),
        Field("retryable", Flag(), default=True),
    ),
    outputs={
        "task_id": returns.text(),
        "status": returns.STATUS,
        "next_attempt_at": returns.text(null=True),
        "attempts_left": returns.whole(),
        "cascaded_task_ids": returns.ids(f"up to {IDS:,}"),
        "total_cascaded": returns.whole(),
    },
    answer=task_fail,
    repeatable=True,
)

RELEASE = Tool(
    name="task_release",
    title="Give a task back",
    about=(
        "Give a claimed task back undone: it keeps its place and loses no attempt. Use it when "
        "you cannot start or must stop. If you tried and failed: task_fail."
    ),
    effect="adds",
    inputs=(TASK_ID, LEASE_TOKEN),
    outputs={"task_id": returns.text(), "status": returns.STATUS},
    answer=task_release,
    repeatable=True,
)
