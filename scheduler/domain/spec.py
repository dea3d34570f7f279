"""What a caller asks for: `TaskSpec`, made from loose fields or written out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

import msgspec

from scheduler.domain.errors import InvalidTask
from scheduler.domain.task import Task


class TaskSpec(msgspec.Struct, frozen=True, eq=False):
    """A task to be made. Compared by identity: the same spec twice makes two tasks.

    `prerequisites` must succeed, `run_after` must only end, before the task can start; both
    take ids, Tasks, and specs of the same batch. Times are aware datetimes, durations seconds.
    Every field: docs/tasks.md.

    >>> build = TaskSpec("Build the wheel", agent_type="builder", base_priority=7)
    >>> check = TaskSpec("Run the tests", prerequisites=[build])
    """

    description: str
    summary: str | None = None
    source: str = "human"
    agent_type: str = "general"
    base_priority: int = 5
    prerequisites: Sequence[TaskSpec | Task | str] = ()
    run_after: Sequence[TaskSpec | Task | str] = ()
    deadline: datetime | None = None
    not_before: datetime | None = None
    estimated_duration: float | None = None
    payload: Any = None
    key: str | None = None
    group: str | None = None
    parent_id: Task | str | None = None
    max_attempts: int = 3
    timeout: float | None = None
    limit_key: str | None = None
    traceparent: str | None = None


class TaskFields(TypedDict, total=False):
    """The fields of TaskSpec after its description, as keyword arguments."""

    summary: str | None
    source: str
    agent_type: str
    base_priority: int
    prerequisites: Sequence[TaskSpec | Task | str]
    run_after: Sequence[TaskSpec | Task | str]
    deadline: datetime | None
    not_before: datetime | None
    estimated_duration: float | None
    payload: Any
    key: str | None
    group: str | None
    parent_id: Task | str | None
    max_attempts: int
    timeout: float | None
    limit_key: str | None
    traceparent: str | None


def spec_from(description: str, fields: Mapping[str, Any]) -> TaskSpec:
    """A spec from loose fields; an unknown name is refused with the nearest valid one."""
    known = TaskSpec.__struct_fields__[1:]  # the description has been given
    for field in fields:
        if field not in known:
            raise unknown_field(field, known)
    return TaskSpec(description, **fields)


def unknown_field(field: str, known: Iterable[str]) -> InvalidTask:
    """The error for a field that nobody knows, with the nearest one that exists."""
    known = tuple(known)
    near = difflib.get_close_matches(field, known, 1, 0.5)
    return InvalidTask(
        "a task has no such field",
        field=field[:80],
        received=field[:80],
        allowed=", ".join(known),
        hint=f"Did you mean {near[0]}?" if near else "Leave it out.",
    )
