"""Events as log records, one logger an actor: ingest, resolver, prioritizer and persister.

Ordinary events are DEBUG, troubles WARNING. A record of a task carries `event`, `task_id`,
`agent_type` and `attempt` as attributes.
"""

from __future__ import annotations

import logging
from typing import Any

from actors.observer import Listener, Observer
from scheduler.domain import events as e

INGEST = logging.getLogger("headrace.ingest")
RESOLVER = logging.getLogger("headrace.resolver")
PRIORITIZER = logging.getLogger("headrace.prioritizer")
PERSISTER = logging.getLogger("headrace.persister")
LOGGERS = (INGEST, RESOLVER, PRIORITIZER, PERSISTER)


def follow(observer: Observer) -> Listener:
    """Log what the observer is told: troubles, and all else if a logger is at DEBUG now."""
    wanted = any(logger.isEnabledFor(logging.DEBUG) for logger in LOGGERS)
    return observer.add(tell, troubles_only=not wanted)


def tell(event: e.Event) -> None:
    """One event as one record."""
    if isinstance(event, e.TaskEvent):
        _tell_of_task(event)
    else:
        _tell_of_store(event)


def _tell_of_task(event: e.TaskEvent) -> None:
    logger, level = _actor_of(event), logging.DEBUG
    if isinstance(event, e.LeaseExpired):
        level = logging.WARNING
    if not logger.isEnabledFor(level):
        return
    task, text = event.task, "task %s %s"
    facts: tuple[object, ...] = (event.kind,)
    match event:
        case e.LeaseExpired(attempt=attempt):
            text = "task %s lost by %s: its lease expired in attempt %d"
            facts = (attempt.holder, attempt.attempt)
        case e.TaskClaimed():
            text, facts = "task %s claimed by %s, attempt %d", (task.holder, task.attempt)
        case e.TaskCompleted() | e.TaskFailed() | e.TaskRetrying() | e.TaskReleased():
            text = f"task %s {event.kind} after %.3f s by %s"
            facts = (event.seconds, event.attempt.holder)
        case e.TaskCancelled() if task.cause is not None:
            text, facts = "task %s cancelled because of %s", (task.cause,)
    logger.log(level, text, task.id, *facts, extra=_facts_of(event))


def _actor_of(event: e.TaskEvent) -> logging.Logger:
    match event:
        case e.TaskEnqueued():
            return INGEST
        case e.TaskUpdated() | e.TaskReopened() | e.TaskScheduled():
            return RESOLVER
        case e.TaskCancelled(task=task) if task.cause is not None:
            return RESOLVER
        case _:
            return PRIORITIZER


def _facts_of(event: e.TaskEvent) -> dict[str, Any]:
    task = event.task
    attempt = event.attempt.attempt if isinstance(event, e.AttemptEvent) else task.attempt
    return {
        "event": event.kind,
        "task_id": task.id,
        "agent_type": task.agent_type,
        "attempt": attempt,
    }


def _tell_of_store(event: e.Event) -> None:
    facts = {"event": event.kind}
    match event:
        case e.LanePaused(agent_type=lane) | e.LaneResumed(agent_type=lane):
            PRIORITIZER.debug("%s: %s", event.kind, lane, extra=facts | {"agent_type": lane})
        case e.Committed(rows=rows, seconds=seconds):
            PERSISTER.debug("committed %d changes in %.1f ms", rows, 1e3 * seconds, extra=facts)
        case e.StoreDown(reason=reason):
            PERSISTER.warning("the store cannot be written: %s", reason, extra=facts)
        case e.StoreUp():
            PERSISTER.info("the store can be written again", extra=facts)
