"""The tools of the endpoint, without any transport: what is offered, and how a call is answered."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import trio

from scheduler.domain.errors import SchedulerError, StoreUnavailable
from scheduler.endpoint.toolkit import errors
from scheduler.endpoint.toolkit.tool import Tool
from scheduler.endpoint.toolkit.words import nearest
from scheduler.endpoint.tools import (
    batch,
    claiming,
    looking,
    managing,
    planning,
    queueing,
    waiting,
    working,
)
from scheduler.handle import Handle

if TYPE_CHECKING:
    import mcp_types

Profile = Literal["core", "all"]

CORE: tuple[Tool, ...] = (
    queueing.ENQUEUE,
    looking.LIST,
    looking.GET,
    looking.QUEUE_STATUS,
    queueing.CANCEL,
    planning.PLAN,
    claiming.CLAIM,
    working.HEARTBEAT,
    working.COMPLETE,
    working.FAIL,
    waiting.WAIT_FOR,
    planning.EXPLAIN,
)
MORE: tuple[Tool, ...] = (
    batch.ENQUEUE_MANY,
    working.RELEASE,
    managing.RETRY,
    managing.UPDATE,
    managing.ADD_PREREQUISITES,
    managing.PAUSE,
    managing.RESUME,
)
EVERY: dict[str, Tool] = {tool.name: tool for tool in CORE + MORE}
OFFERED: dict[Profile, dict[str, Tool]] = {
    "core": {tool.name: tool for tool in CORE},
    "all": EVERY,
}
WAITING: dict[str, Tool] = {name: tool for name, tool in EVERY.items() if tool.waits}
PATIENCE = 50.0  # seconds: clients give up at about 60


class Answer(msgspec.Struct, frozen=True):
    """What a call gives back: one JSON object, which is an error or not."""

    body: dict[str, Any]
    is_error: bool = False


def listed(profile: Profile) -> list[mcp_types.Tool]:
    """The tools of a profile, in a stable order."""
    return list(_listed(profile))


@cache
def _listed(profile: Profile) -> tuple[mcp_types.Tool, ...]:
    return tuple(tool.listed() for tool in OFFERED[profile].values())


async def call(
    scheduler: Handle, profile: Profile, name: str, arguments: Mapping[str, Any] | None
) -> Answer:
    """Answer one call. Every error becomes an answer; only Trio's Cancelled leaves."""
    given = arguments or {}
    try:
        return Answer(await _answer(scheduler, profile, name, given))
    except BaseExceptionGroup as group:
        failures, leaving = group.split(Exception)
        if failures is None or leaving is not None:
            raise (leaving or group) from None
        return await _failed(failures, scheduler, profile, name, given)
    except Exception as error:
        return await _failed(error, scheduler, profile, name, given)


async def _answer(
    scheduler: Handle, profile: Profile, name: str, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    tool = OFFERED[profile].get(name)
    if tool is None:
        raise _unknown(name, profile)
    parsed = tool.parse(arguments)
    with trio.move_on_after(PATIENCE):
        return await tool.answer(scheduler, **parsed)
    outcome = "refused" if tool.effect == "reads" else "unknown"
    raise StoreUnavailable(f"no answer came within {PATIENCE:g} s", outcome=outcome)


async def _failed(
    error: Exception,
    scheduler: Handle,
    profile: Profile,
    name: str,
    arguments: Mapping[str, Any],
) -> Answer:
    error = errors.first_of(error)
    if not isinstance(error, SchedulerError):
        return Answer(errors.internal(error, name), is_error=True)
    tool = OFFERED[profile].get(name)
    try:
        body = await errors.refusal(error, name, tool, arguments, scheduler, profile == "all")
    except Exception as other:
        body = errors.internal(other, name)
    return Answer(body, is_error=True)


def _unknown(name: str, profile: Profile) -> errors.UnknownTool:
    near = nearest(name, EVERY)
    if near is None:
        hint = "Call one of the allowed tools; task_queue_status gives an overview."
    elif near in OFFERED[profile]:
        hint = f"Did you mean {near}? Call it."
    else:
        hint = f"{near} is offered by a server that was started with --tools all."
    return errors.UnknownTool(
        "there is no such tool",
        field="name",
        received=name,
        allowed=", ".join(OFFERED[profile]),
        hint=hint,
    )
