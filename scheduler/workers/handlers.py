"""What is registered for an agent type, and the checks that refuse what could never run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, get_args

import msgspec

from scheduler.domain.encoding import name, number_in
from scheduler.domain.errors import InvalidRequest
from scheduler.domain.request import TEN_YEARS
from scheduler.workers.command import Command, Words, WordsOf, checked_command
from scheduler.workers.functions import checked_function, is_kind
from scheduler.workers.steering import RetryPolicy

Kind = Literal["trio", "asyncio", "thread", "subprocess"]
World = Literal["trio", "asyncio", "thread"]  # of the program that owns the handle

MOST_AT_ONCE = 1_000  # as many as one claim takes
GRACE = 10.0  # seconds


class Handler(msgspec.Struct, frozen=True, eq=False):
    """How the tasks of one agent type are done. Spans are seconds.

    `function` takes a Job (a BlockingJob, if `kind` is "thread"); `words` is the command of a
    subprocess, or makes it from the task. `grace` is how long the work may go on when it
    has been told to stop.
    """

    agent_type: str
    kind: Kind
    title: str  # how logs and errors call it
    function: Callable[[Any], Any] | None
    words: Words | WordsOf
    concurrency: int
    timeout: float | None
    retry: RetryPolicy | None
    grace: float
    own_thread: bool


def make_handler(
    agent_type: str,
    function: object,
    world: World,
    *,
    run: Command | None = None,
    kind: Kind | None = None,
    concurrency: int = 1,
    timeout: float | None = None,
    retry: RetryPolicy | None = None,
    grace: float = GRACE,
    own_thread: bool = False,
) -> Handler:
    """A handler, every argument checked; InvalidRequest names the fix."""
    check_options(agent_type, concurrency, timeout, retry, grace)
    if run is not None:
        words, title = checked_command(run, agent_type)
        kind = "subprocess" if kind is None else kind
        if kind != "subprocess":
            raise _wrong_kind(kind, "a command runs as a subprocess", "Leave kind out.")
    else:
        words, title = (), checked_function(function, agent_type)
        kind = _kind_of(function, kind, world)
    if own_thread and kind != "asyncio":
        raise InvalidRequest(
            f"own_thread is for asyncio handlers, and this one is of kind {kind}",
            field="own_thread",
            allowed='True only with kind="asyncio"',
            hint="Leave own_thread out; a plain function runs in a thread anyway.",
        )
    return Handler(
        agent_type,
        kind,
        f"{title} for {agent_type!r}",
        function if run is None else None,  # type: ignore[arg-type] # it is callable
        words,
        concurrency,
        timeout,
        retry,
        grace,
        own_thread,
    )


def check_options(
    agent_type: object,
    concurrency: int,
    timeout: float | None,
    retry: object,
    grace: float,
) -> None:
    """What can be told before there is a function."""
    if callable(agent_type):
        raise InvalidRequest(
            "a handler needs an agent type",
            field="agent_type",
            received=getattr(agent_type, "__qualname__", type(agent_type).__name__),
            allowed="the agent_type of the tasks that it does",
            hint='Write @scheduler.handler("builder") above the function.',
        )
    name("agent_type", agent_type)
    number_in("concurrency", concurrency, 1, MOST_AT_ONCE, whole=True)
    if timeout is not None:
        number_in("timeout", timeout, 0.001, TEN_YEARS)
    number_in("grace", grace, 0, 86_400)
    if retry is not None and not isinstance(retry, RetryPolicy):
        raise InvalidRequest(
            "retry is no RetryPolicy",
            field="retry",
            received=type(retry).__name__,
            allowed="a RetryPolicy, or None",
            hint="Write retry=RetryPolicy(first=5, cap=600).",
        )


def _kind_of(function: object, kind: Kind | None, world: World) -> Kind:
    """A coroutine function belongs to the world of the program, unless `kind` says otherwise.

    Nothing tells a coroutine function for asyncio from one for Trio before it runs.
    """
    if kind is not None and kind not in get_args(Kind):
        raise _wrong_kind(kind, "this kind is unknown", "Leave kind out for the usual one.")
    if kind == "subprocess":
        raise _wrong_kind(kind, "a subprocess needs its command", 'Write run=["program", "…"].')
    if is_kind(inspect.iscoroutinefunction, function):
        if kind == "thread":
            raise _wrong_kind(
                kind, "a coroutine function does not run in a thread", "Define it without async."
            )
        if kind is None and world == "thread":
            raise _wrong_kind(
                "none",
                "a program on threads has no loop for a coroutine function",
                'Say which library it is for: kind="trio" or kind="asyncio".',
            )
        return kind or ("asyncio" if world == "asyncio" else "trio")
    if kind in ("trio", "asyncio"):
        raise _wrong_kind(
            kind,
            f"a plain function is none for {kind}",
            "Define it with async def, or leave kind out.",
        )
    return "thread"


def _wrong_kind(kind: object, what: str, hint: str) -> InvalidRequest:
    return InvalidRequest(
        f"kind does not fit: {what}",
        field="kind",
        received=str(kind)[:80],
        allowed=", ".join(get_args(Kind)),
        hint=hint,
    )


def already_registered(old: Handler) -> InvalidRequest:
    """The refusal of a second handler for one agent type."""
    return InvalidRequest(
        f"this agent type has a handler already: {old.title}",
        field="agent_type",
        received=old.agent_type,
        allowed="one handler for each agent type",
        hint="Raise its concurrency for more at a time, or use another agent_type.",
    )
