"""What is registered for an agent type, and the checks that refuse what could never run."""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import msgspec

from scheduler.domain.encoding import name, number_in
from scheduler.domain.errors import InvalidRequest
from scheduler.domain.request import TEN_YEARS
from scheduler.workers.steering import RetryPolicy

Kind = Literal["trio", "asyncio", "thread", "subprocess"]
World = Literal["trio", "asyncio", "thread"]  # of the program that owns the handle

MOST_AT_ONCE = 1_000  # as many as one claim takes
GRACE = 10.0  # seconds


class Handler(msgspec.Struct, frozen=True, eq=False):
    """How the tasks of one agent type are done. Spans are seconds.

    `function` takes a Job (a BlockingJob, if `kind` is "thread"); `words` is the command of a
    subprocess. `grace` is how long the work may go on when it has been told to stop.
    """

    agent_type: str
    kind: Kind
    title: str  # how logs and errors call it
    function: Callable[[Any], Any] | None
    words: tuple[str, ...]
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
    run: Sequence[str] | None = None,
    kind: Kind | None = None,
    concurrency: int = 1,
    timeout: float | None = None,
    retry: RetryPolicy | None = None,
    grace: float = GRACE,
    own_thread: bool = False,
) -> Handler:
    """A handler, every argument checked; InvalidRequest names the fix."""
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
    if run is not None:
        words, title = _checked_words(run), f"the command {os.path.basename(run[0])!r}"
        kind = "subprocess" if kind is None else kind
        if kind != "subprocess":
            raise _wrong_kind(kind, "a command runs as a subprocess", "Leave kind out.")
    else:
        words, title = (), _checked_function(function, agent_type)
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


def _checked_words(run: object) -> tuple[str, ...]:
    words = tuple(run) if isinstance(run, Sequence) and not isinstance(run, str | bytes) else ()
    if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise InvalidRequest(
            "run is no list of words",
            field="run",
            received=ascii(run)[:80],
            allowed="the program and its arguments, one str each",
            hint='Write run=["python", "job.py"]; for a shell, run=["sh", "-c", "…"].',
        )
    if not words[0] or shutil.which(words[0]) is None:
        raise InvalidRequest(
            "the command of run is not found, or may not be executed",
            field="run",
            received=words[0][:80],
            allowed="a program on the PATH, or the path of one",
            hint="Install it, or give its absolute path; sys.executable is this Python.",
        )
    return words


def _checked_function(function: object, agent_type: str) -> str:
    """How to call the function in texts."""
    if inspect.iscoroutine(function):
        function.close()  # or Python warns that it was never awaited
        raise _not_callable(function, "Pass the function itself, without calling it.")
    if not callable(function):
        raise _not_callable(
            function, f"Pass a function: scheduler.handler({agent_type!r})(function)."
        )
    if _is(inspect.isgeneratorfunction, function) or _is(inspect.isasyncgenfunction, function):
        raise InvalidRequest(
            "a generator function is no handler: it would return before it has begun",
            field="function",
            received=_title(function),
            allowed="a function, or a coroutine function",
            hint="Return the result; tell progress with job.report().",
        )
    _check_parameters(function)
    return _title(function)


def _check_parameters(function: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions have none
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise InvalidRequest(
            f"a handler is called with one argument, the job: {error}",
            field="function",
            received=f"{_title(function)}{signature}"[:200],
            allowed="one parameter",
            hint="Write def handler(job); bind other arguments with functools.partial.",
        ) from None


def _kind_of(function: object, kind: Kind | None, world: World) -> Kind:
    """A coroutine function belongs to the world of the program, unless `kind` says otherwise.

    Nothing tells a coroutine function for asyncio from one for Trio before it runs.
    """
    if kind is not None and kind not in get_args(Kind):
        raise _wrong_kind(kind, "this kind is unknown", "Leave kind out for the usual one.")
    if kind == "subprocess":
        raise _wrong_kind(kind, "a subprocess needs its command", 'Write run=["program", "…"].')
    if _is(inspect.iscoroutinefunction, function):
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


def _is(test: Callable[[Any], bool], function: object) -> bool:
    """The function itself, or the method that calling the object calls."""
    return test(function) or test(getattr(function, "__call__", None))  # noqa: B004


def _title(function: object) -> str:
    inner = inspect.unwrap(getattr(function, "func", function))  # type: ignore[arg-type]
    title = getattr(inner, "__qualname__", None) or type(function).__qualname__
    return str(title).replace("<locals>.", "")


def _not_callable(function: object, hint: str) -> InvalidRequest:
    return InvalidRequest(
        "a handler must be callable",
        field="function",
        received=type(function).__name__,
        allowed="a coroutine function, a plain function, or run=[...] for a command",
        hint=hint,
    )


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
