"""The loop of a worker: `task_claim`, `task_heartbeat`, `task_complete`, `task_fail`,
`task_release`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import trio

from scheduler import shapes
from scheduler.domain.errors import SchedulerError
from scheduler.domain.views import Claim
from scheduler.endpoint import returns
from scheduler.endpoint.arguments import Field
from scheduler.endpoint.bounds import IDS, fitting
from scheduler.endpoint.fields import Flag, Json, Number, Several, Text
from scheduler.endpoint.task_fields import LEASE_TOKEN, TASK_ID
from scheduler.endpoint.tool import Tool
from scheduler.handle import Scheduler
from scheduler.shapes import Shape

LONGEST_WAIT = 50  # seconds that an agent may ask for
ANSWER_BY = 49.5  # seconds: what is left of them brings the answer there
GIVE_BACK_TIME = 5.0  # seconds

WAIT = Number(0, LONGEST_WAIT)


async def task_claim(
    scheduler: Scheduler,
    *,
    agent: str,
    agent_types: Sequence[str] | None = None,
    limit: int,
    lease_seconds: float,
    wait_seconds: float,
) -> Shape:
    """Lease tasks; when there are none, say why."""
    deadline = trio.current_time() + min(wait_seconds, ANSWER_BY)
    while True:
        wait = max(0.0, deadline - trio.current_time())
        claims = await scheduler.claim(
            agent, agent_types, limit=limit, lease=lease_seconds, wait=wait
        )
        if claims:
            return {"claims": await _within_a_page(scheduler, claims)}
        idle = await scheduler.why_idle(agent_types)
        if idle.reason == "ready" and trio.current_time() < deadline:
            continue  # it became so after the claim had ended
        return {
            "claims": [],
            "reason": idle.reason,
            "until": shapes.when(idle.until),
            "next": NEXT[idle.reason],
        }


NEXT = {
    "nothing_pending": "No work of these agent types is left: stop, or task_claim later.",
    "all_blocked": "All work waits for other tasks: task_claim again with wait_seconds, or "
    "task_explain one of task_list status=blocked.",
    "all_scheduled": "All work waits for a time: task_claim again, at until or with wait_seconds.",
    "all_leased": "Others work on all there is: task_claim again with wait_seconds.",
    "paused": "The agent type is paused: task_claim later, or ask whoever paused it.",
    "ready": "There is work now: task_claim again.",
}


async def _within_a_page(scheduler: Scheduler, claims: Sequence[Claim]) -> list[Shape]:
    """The claims that one answer can hold; the others go back, which costs them nothing."""
    rows = [shapes.claim(claim) for claim in claims]
    kept = fitting(rows)
    if kept < len(rows):
        with trio.CancelScope(shield=True, deadline=trio.current_time() + GIVE_BACK_TIME):
            for claim in claims[kept:]:
                await _give_back(scheduler, claim)
    return rows[:kept]


async def _give_back(scheduler: Scheduler, claim: Claim) -> None:
    try:
        await scheduler.release(claim)
    except SchedulerError:
        return  # then its lease runs out


async def task_heartbeat(
    scheduler: Scheduler,
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
    scheduler: Scheduler, *, task_id: str, lease_token: str, result: Any = None
) -> Shape:
    """The work is done."""
    done = shapes.completed(await scheduler.complete((task_id, lease_token), result))
    return done | {"unblocked": done["unblocked"][:IDS]}


async def task_fail(
    scheduler: Scheduler, *, task_id: str, lease_token: str, error: str, retryable: bool
) -> Shape:
    """The attempt has failed."""
    claim = (task_id, lease_token)
    done = shapes.failed(await scheduler.fail(claim, error, retryable=retryable))
    return done | {"cascaded_task_ids": done["cascaded_task_ids"][:IDS]}


async def task_release(scheduler: Scheduler, *, task_id: str, lease_token: str) -> Shape:
    """Give the task back undone."""
    task = (await scheduler.release((task_id, lease_token))).task
    return {"task_id": task.id, "status": task.status}


WORK = {
    "summary": returns.text(),
    "description": returns.text("what to do"),
    "payload": returns.json(),
    "agent_type": returns.text(),
    "attempt": returns.whole("this one"),
    "max_attempts": returns.whole(),
    "timeout": returns.number("seconds for this attempt"),
    "deadline": returns.text(),
    "error": returns.text("of the attempt before"),
}

CLAIM = Tool(
    name="task_claim",
    title="Claim work",
    about=(
        "Lease the best ready tasks to yourself; nobody else gets them while the lease lasts. "
        "Use it to take work, and with wait_seconds to wait for some. Not for looking: "
        "task_list. Do each task, task_heartbeat at a third of the lease, then task_complete or "
        "task_fail with its lease_token. Returns claims: whole tasks (absent fields left out) "
        "with the results of their prerequisites. Empty: reason says why, next what to do. "
        "Large tasks come fewer than limit at a time."
    ),
    effect="adds",
    inputs=(
        Field("agent", Text(), "your name", required=True, aliases=("holder", "worker")),
        Field(
            "agent_types",
            Several(Text(), least=1),
            "what you can do; default: anything",
            aliases=("agent_type",),
        ),
        Field("limit", Number(1, 1_000, whole=True), default=1),
        Field("lease_seconds", Number(1, 86_400), default=300),
        Field("wait_seconds", WAIT, "for work to become ready", default=0),
    ),
    outputs={
        "claims": returns.many(
            returns.fields(
                {
                    "task_id": returns.text(),
                    "lease_token": returns.text("secret; proves the lease"),
                    "lease_expires_at": returns.text(),
                    "task": returns.fields(WORK, "and the other fields of task_get"),
                    "prerequisite_results": returns.mapping(returns.json(), "by id"),
                    "results_truncated": returns.flag("over 256 KiB: task_get the missing ones"),
                }
            )
        ),
        "reason": returns.text(
            "nothing_pending, all_blocked, all_scheduled, all_leased, paused or ready"
        ),
        "until": returns.text("of all_leased and all_scheduled", null=True),
        "next": returns.text(),
    },
    answer=task_claim,
)

HEARTBEAT = Tool(
    name="task_heartbeat",
    title="Keep a lease",
    about=(
        "Say that you still work on a claimed task: its lease starts anew. Call it at a third of "
        "the lease. Not to end work: task_complete, task_fail. Returns the new end of the lease; "
        "the error lease_lost means stop, the task is not yours any more."
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
        f"(up to {IDS:,})."
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
        "failed with the dependents that were cancelled with it."
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
