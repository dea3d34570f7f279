"""The answer to a call that failed: facts for a program, and the next call for an agent.

Text of tasks never stands in it: `received` is the caller's own value, made harmless, and the
messages are fixed sentences with ids, numbers, times and statuses.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from scheduler.domain.errors import (
    DependencyCycle,
    InvalidRequest,
    InvalidTask,
    LeaseLost,
    SchedulerError,
    UnknownPrerequisite,
    UnknownTask,
)
from scheduler.endpoint.toolkit.fields import ID_ALLOWED
from scheduler.endpoint.toolkit.hints import Case, hint
from scheduler.endpoint.toolkit.nearest_ids import nearest_ids
from scheduler.endpoint.toolkit.task_fields import LEASE_TOKEN
from scheduler.endpoint.toolkit.tool import Tool
from scheduler.endpoint.toolkit.words import printable, shown
from scheduler.handle import Handle
from scheduler.shapes import Shape, when

log = logging.getLogger(__name__)

PATH_ENDS = 50
RETRY_AFTER = 5.0  # seconds, for what is worth a retry and does not say when


class UnknownTool(InvalidRequest):
    """No tool has this name, or not in this profile."""

    code = "unknown_tool"


def first_of(error: Exception) -> Exception:
    """The error that an ExceptionGroup hides: one that was raised on purpose, if there is one."""
    if not isinstance(error, ExceptionGroup):
        return error
    told = error.subgroup(SchedulerError)
    return first_of((told or error).exceptions[0])


def internal(error: Exception, tool: str) -> Shape:
    """What is said of an error that nobody foresaw; the story goes to the log."""
    log.error("%s failed", printable(tool), exc_info=error)
    return {
        "code": "internal_error",
        "message": "an error inside headrace; its story is in the server's log",
        "hint": "Call task_queue_status to see whether the queue answers, and task_list to see "
        "what was done, before you repeat the call.",
        "retryable": False,
    }


async def refusal(
    error: SchedulerError,
    name: str,
    tool: Tool | None,
    arguments: Mapping[str, Any],
    scheduler: Handle,
    everything: bool,
) -> Shape:
    """The body of an error that was raised on purpose."""
    near = await nearest_ids(scheduler, error.received) if _about_an_id(error) else []
    facts = error.as_dict()
    facts |= {
        "code": _code(error, tool),
        "message": printable(await _message(error, tool, arguments, scheduler)),
        "hint": printable(hint(Case(error, name, near, everything))),
        "retryable": error.retryable,
    }
    if error.field is not None:
        facts["field"] = _field(error.field, tool)
    if error.received is not None:
        facts["received"] = shown(error.received)
    if isinstance(error, DependencyCycle):
        facts["path"] = _in_short(error.path)
    if facts.get("field") == LEASE_TOKEN.name:
        facts.pop("received", None)
    if error.retryable:
        facts.setdefault("retry_after_s", RETRY_AFTER)
    return {fact: value for fact, value in facts.items() if value is not None and value != ""}


def _about_an_id(error: SchedulerError) -> bool:
    unknown = isinstance(error, UnknownTask | UnknownPrerequisite)
    return unknown or error.allowed == ID_ALLOWED


def _code(error: SchedulerError, tool: Tool | None) -> str:
    """One code for a wrong argument of a tool, whether the endpoint or the core met it."""
    if type(error) in (InvalidRequest, InvalidTask):
        return "invalid_task" if tool is not None and tool.makes_tasks else "invalid_request"
    return error.code


def _field(field: str, tool: Tool | None) -> str:
    """The name that the argument has in the tool."""
    names = {} if tool is None else tool.by_name
    if field not in names:
        for other in ALSO_CALLED.get(field, ()):
            if other in names:
                return other
    return printable(field)


ALSO_CALLED = {
    "task_id": ("task_ids",),
    "tasks": ("task_ids",),
    "specs": ("tasks",),
    "holder": ("agent",),
    "lease": ("lease_seconds",),
    "wait": ("wait_seconds",),
    "timeout": ("wait_seconds",),
    "claim": ("task_id",),
}


async def _message(
    error: SchedulerError, tool: Tool | None, arguments: Mapping[str, Any], scheduler: Handle
) -> str:
    """Its own, but where that one repeats a path, or the name that a holder chose."""
    match error:
        case DependencyCycle(path=[_, _, *_]):
            return f"{len(error.path)} tasks wait for each other in a circle"
        case LeaseLost() if tool is not None:
            return await _lost(tool, arguments, scheduler)
        case _:
            return error.message


async def _lost(tool: Tool, arguments: Mapping[str, Any], scheduler: Handle) -> str:
    lost = "this lease no longer holds the task"
    try:
        task = await scheduler.get(tool.parse(arguments)["task_id"])
    except SchedulerError:
        return lost
    if task.lease is None:
        return f"{lost}, which is {task.status}"
    return f"{lost}; the lease that does ends at {when(task.lease.expires_at)}"


def _in_short(path: list[str]) -> list[str]:
    """A long path without its middle."""
    if len(path) <= 2 * PATH_ENDS:
        return path
    return [*path[:PATH_ENDS], "...", *path[-PATH_ENDS:]]
