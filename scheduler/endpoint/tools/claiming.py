"""`task_claim`: work for an agent, or why there is none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import trio

from scheduler import shapes
from scheduler.domain.errors import SchedulerError
from scheduler.domain.views import Claim, Idle
from scheduler.endpoint.toolkit import returns
from scheduler.endpoint.toolkit.arguments import Field
from scheduler.endpoint.toolkit.bounds import Rows
from scheduler.endpoint.toolkit.fields import Number, Several, Text
from scheduler.endpoint.toolkit.tool import Tool
from scheduler.handle import Handle
from scheduler.shapes import Shape

LONGEST_WAIT = 50  # seconds that an agent may ask for
ANSWER_BY = 49.5  # seconds: what is left of them brings the answer there
MOMENT = 1e-6  # seconds: the actors count Unix seconds, and a float of them no finer
FILLING_TIME = 5.0  # seconds for more than the first slice, while the disk is slow
GIVE_BACK_TIME = 0.5  # seconds; a release that is sent is carried out, heard of or not
SLICE = 8  # tasks claimed at once: what does not fit into the answer goes back

More = Callable[..., Awaitable[list[Claim]]]

WAIT = Number(0, LONGEST_WAIT)


def over(deadline: float) -> bool:
    """Whether it has come (Trio's seconds), or is so near that no actor can wait for it."""
    return deadline - trio.current_time() <= MOMENT


async def task_claim(
    scheduler: Handle,
    *,
    agent: str,
    agent_types: Sequence[str] | None = None,
    limit: int,
    lease_seconds: float,
    wait_seconds: float,
) -> Shape:
    """Lease tasks; when there are none, say why."""
    ends = trio.current_time() + ANSWER_BY
    deadline = min(ends, trio.current_time() + wait_seconds)
    claim = partial(scheduler.claim, agent, agent_types, lease=lease_seconds)
    while True:
        wait = max(0.0, deadline - trio.current_time())
        claims = await claim(limit=min(limit, SLICE), wait=wait)
        if claims:
            return {"claims": await _within_a_page(scheduler, claim, claims, limit, ends)}
        idle = await scheduler.why_idle(agent_types)
        if idle.reason == "ready" and not over(deadline):
            continue  # it became so after the claim had ended
        return _nothing(idle)


def _nothing(idle: Idle) -> Shape:
    shape: Shape = {"claims": [], "reason": idle.reason, "until": shapes.when(idle.until)}
    if idle.reason == "nothing_pending":
        shape["open_agent_types"] = list(idle.open_lanes)
    return shape | {"next": OTHER_WORK if idle.open_lanes else NEXT[idle.reason]}


OTHER_WORK = (
    "No work of these agent types is left, but there is some of open_agent_types: task_claim with "
    "those that you can do, or with the right spelling; else stop, or task_claim later."
)
NEXT = {
    "nothing_pending": "No work of these agent types is left: stop, or task_claim later.",
    "all_blocked": "All work waits for other tasks: task_claim again with wait_seconds, or "
    "task_explain one of task_list status=blocked.",
    "all_scheduled": "All work waits for a time: task_claim again, at until or with wait_seconds.",
    "all_leased": "Others work on all there is: task_claim again with wait_seconds.",
    "limited": "A limit holds the ready work back: task_claim again, at until or with "
    "wait_seconds; task_explain names the limit.",
    "paused": "The agent type is paused: task_claim later, or ask whoever paused it.",
    "ready": "There is work now: task_claim again.",
}


async def _within_a_page(
    scheduler: Handle, claim: More, claims: list[Claim], limit: int, ends: float
) -> list[Shape]:
    """The claims that one answer can hold, with more of them if there is room.

    The others go back, which costs them nothing; all go back if nobody will hear of them.
    """
    rows = Rows(limit)
    kept = rows.take([shapes.claim(one) for one in claims])
    held = claims[:kept]
    excess = claims[kept:]
    ends = min(ends, trio.current_time() + FILLING_TIME)
    try:
        while not excess and (wanted := rows.wanted(SLICE)):
            more = await _more(claim, wanted, ends)
            kept = rows.take([shapes.claim(one) for one in more])
            held += more[:kept]
            excess = more[kept:]
            if len(more) < wanted:
                break
    except trio.Cancelled:
        await _give_back(scheduler, held)
        raise
    await _give_back(scheduler, excess)
    return rows.taken


async def _more(claim: More, limit: int, ends: float) -> list[Claim]:
    """None after an error: it would hide from the agent what it holds already."""
    with trio.move_on_at(ends), suppress(SchedulerError):
        return await claim(limit=limit)
    return []


async def _give_back(scheduler: Handle, claims: Sequence[Claim]) -> None:
    """Release them together, so that one commit will do."""
    if not claims:
        return
    with trio.CancelScope(shield=True, deadline=trio.current_time() + GIVE_BACK_TIME):
        async with trio.open_nursery() as nursery:
            for claim in claims:
                nursery.start_soon(_release, scheduler, claim)


async def _release(scheduler: Handle, claim: Claim) -> None:
    with suppress(SchedulerError):  # then its lease runs out
        await scheduler.release(claim)


WORK = {
    "summary": returns.text(),
    "description": returns.text("what to do"),
    "payload": returns.json(),
    "agent_type": returns.text(),
    "attempt": returns.whole("this one"),
    "max_attempts": returns.whole(),
    "timeout": returns.number("seconds for this attempt"),
    "limit_key": returns.text(),
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
        "with the results of the tasks they waited for. Empty: reason says why, next what to do. "
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
        Field(
            "wait_seconds",
            WAIT,
            "for work to become ready, also if none is left: more may come; 0 answers at once",
            default=0,
        ),
    ),
    outputs={
        "claims": returns.many(
            returns.fields(
                {
                    "task_id": returns.text(),
                    "lease_token": returns.text("secret; proves the lease"),
                    "lease_expires_at": returns.text(),
                    "task": returns.fields(WORK, "and the other fields of task_get"),
                    "prerequisite_results": returns.mapping(
                        returns.json(), "by id, of run_after tasks too"
                    ),
                    "results_truncated": returns.flag("over 256 KiB: task_get the missing ones"),
                }
            )
        ),
        "reason": returns.text(
            "nothing_pending, all_blocked, all_scheduled, all_leased, limited, paused or ready"
        ),
        "until": returns.text("of all_leased, all_scheduled and limited", null=True),
        "open_agent_types": returns.many(
            returns.text(), "of nothing_pending: other types with work, most first, up to 20"
        ),
        "next": returns.text(),
    },
    answer=task_claim,
    waits=True,
)
