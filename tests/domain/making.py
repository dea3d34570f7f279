"""Tasks in one line."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from scheduler.domain.task import Task

PLAIN = Task(
    number=0,
    description="a task",
    summary="a task",
    source="human",
    agent_type="general",
    base_priority=5,
    deadline_s=None,
    estimated_duration=60.0,
    payload_json=None,
    key=None,
    request_hash=None,
    group=None,
    parent=None,
    max_attempts=3,
    timeout=None,
    limit_key=None,
    traceparent=None,
    created_s=0.0,
)


def make_task(number: int, requires: tuple[int, ...] = (), **fields: Any) -> Task:
    """A plain task of 60 s with the fields given."""
    return replace(PLAIN, number=number, requires=requires, **fields)


def chain(length: int) -> list[Task]:
    """Tasks 0, 1, 2 … of which each requires the one before."""
    return [make_task(n, (n - 1,) if n else ()) for n in range(length)]


def fan_out(size: int) -> list[Task]:
    """Task 0, and `size` tasks that require it."""
    return [make_task(n, (0,) if n else ()) for n in range(size + 1)]
