"""Jobs that are commands: children of this process, each waited for by a Trio task."""

from __future__ import annotations

from typing import Any

from scheduler import shapes
from scheduler.workers.command import words_for
from scheduler.workers.endings import CommandFailed
from scheduler.workers.processes import taskio
from scheduler.workers.running import Running


async def run_command_of(running: Running) -> Any:
    """Run the command of the handler; its result. Raises CommandFailed with its story,
    and what a function raises that makes the command from the task.

    The task stands on its stdin as JSON, in the shape in which the tool `task_claim` answers,
    without the token. When cancelled, it and its children get SIGTERM, and SIGKILL after the
    grace.
    """
    handler, task = running.handler, running.task
    document = shapes.claim(running.claim)
    del document["lease_token"]
    outcome = await taskio.perform(
        words_for(handler.words, task),
        taskio.environment_of(task.id, task.attempt, task.agent_type, task.group)
        | {"TRACEPARENT": running.span.traceparent},
        document,
        limit=None,  # the pool keeps the time
        grace=handler.grace,
    )
    if outcome.error is not None:
        raise CommandFailed(outcome.error, retryable=outcome.retryable)
    return outcome.result
