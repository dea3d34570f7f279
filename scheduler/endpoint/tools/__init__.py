"""The tools of the endpoint, without any transport: what is offered, and how a call is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from scheduler import shapes
from scheduler.handle import Scheduler

if TYPE_CHECKING:
    import mcp_types

Profile = Literal["core", "all"]


class Answer(msgspec.Struct, frozen=True):
    """What a call gives back: one JSON object, which is an error or not."""

    body: dict[str, Any]
    is_error: bool = False


def listed(profile: Profile) -> list[mcp_types.Tool]:
    """The tools of a profile, in a stable order."""
    import mcp_types

    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    return [
        mcp_types.Tool(
            name="task_queue_status", description="The queue in numbers.", input_schema=schema
        )
    ]


async def call(
    scheduler: Scheduler, profile: Profile, name: str, arguments: Mapping[str, Any] | None
) -> Answer:
    """Answer one call. Raises nothing but Trio's Cancelled."""
    if name == "task_queue_status":
        return Answer(shapes.queue_status(await scheduler.queue_status()))
    return Answer({"code": "unknown_tool", "message": "no such tool", "retryable": False}, True)
