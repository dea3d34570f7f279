"""What the prioritizer says when asked why a task is not running."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime
from math import inf

from msgspec.structs import replace

from actors import commands as c
from actors import messages as m
from actors.holdings import Holdings
from actors.messages import Post, To
from scheduler.domain import priority
from scheduler.domain.limits import Limits
from scheduler.domain.task import EARLIEST, LATEST, Status, Task, moment, utc_text
from scheduler.domain.views import Explanation


def explain(
    message: m.Explaining, holdings: Holdings, paused: Container[str], now: float
) -> list[Post]:
    """Draft the answer; the persister adds how the blockers stand, and sends it."""
    task = holdings.tasks.get(message.number) or message.task
    if task is None:  # it left for the resolver, which knows more by now
        return [(To.RESOLVER, c.Explain(message.number, message.reply))]
    facts, weights = message.facts, holdings.weights
    queue = holdings.queue
    ahead = queue.ahead(task.number) if task.number in queue else None
    held_back = _held_back(task, holdings.limits, paused, now)
    draft = Explanation(
        task=task,
        reason=_reason(task, ahead, held_back, len(message.blockers)),
        score=priority.score(facts, task.estimated_duration, now, weights),
        components=priority.components(facts, task.estimated_duration, now),
        aging=0.0 if task.ready_s is None else priority.aging(task.ready_s, now, weights),
        rank_seconds=facts.rank,
        effective_deadline=_effective(facts.due),
        ahead=ahead,
    )
    return [(To.PERSISTER, replace(message, draft=draft))]


def _effective(due: float) -> datetime | None:
    return None if due == inf else moment(min(max(due, EARLIEST), LATEST))


def _held_back(task: Task, limits: Limits, paused: Container[str], now: float) -> str | None:
    """What keeps a ready task of this kind from starting, and how that ends."""
    if task.agent_type in paused:
        return "its agent_type is paused: resume it"
    limit = limits.holding(task.agent_type, task.limit_key, now)
    if limit is None:
        return None
    whose = f"{limit.kind} {limit.name!r}"
    if limit.opens_s > now:
        until = utc_text(moment(limit.opens_s))
        return f"{whose} is limited to {limit.starts} starts in {limit.per:g} s: next at {until}"
    return f"{whose} is limited to {limit.concurrency} at once, and so many run"


def _reason(task: Task, ahead: int | None, held_back: str | None, blockers: int) -> str:
    match task.status:
        case Status.BLOCKED:
            return f"blocked: waits for {blockers} unfinished prerequisite{'s' * (blockers != 1)}"
        case Status.SCHEDULED:
            assert task.not_before_s is not None
            return f"scheduled: not before {utc_text(moment(task.not_before_s))}"
        case Status.RUNNING:
            assert task.lease_expires_s is not None
            until = utc_text(moment(task.lease_expires_s))
            return f"running: attempt {task.attempt}, leased until {until}"
        case _ if held_back is not None:
            return f"ready, but {held_back}"
        case _:
            if ahead is None:
                return "ready, but held back while a change to it is under way"
            return f"ready: waits for a worker, {ahead} of its agent_type ahead of it"
