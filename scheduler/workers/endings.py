"""How a job ended, and what that means for its task: pure, but for the text of tracebacks."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import msgspec
import outcome
import trio

from actors.commands import Finish
from scheduler.domain.errors import InvalidRequest
from scheduler.domain.task import Task
from scheduler.workers.handlers import Handler
from scheduler.workers.processes.outcomes import timed_out
from scheduler.workers.results import result_json
from scheduler.workers.running import Stopped
from scheduler.workers.steering import GiveUp, Retry

STORY_BYTES = 16 * 1024  # of a traceback: its end says most
OUR_MODULES = ("scheduler.workers", "scheduler.bridging", "trio.", "asyncio.", "outcome.")
DEFAULT_FIRST_LINE = "it failed"

ASYNCIO_AS_TRIO = 'It awaits asyncio, but runs as Trio: register it with kind="asyncio".'
TRIO_AS_ASYNCIO = 'It awaits Trio, but runs as asyncio: register it with kind="trio".'


class CommandFailed(Exception):
    """The outcome of a subprocess that failed; its text is the story."""

    def __init__(self, story: str, *, retryable: bool) -> None:
        super().__init__(story)
        self.retryable = retryable


class Ending(msgspec.Struct, frozen=True):
    """What is to be told of a claim: completed, failed or released."""

    finish: Finish
    retryable: bool = True
    retry_after: float | None = None


def release(task: Task, token: str) -> Ending:
    """The task goes back undone."""
    return Ending(Finish("release", task.number, token))


def of_timeout(handler: Handler, task: Task, token: str, seconds: float, chance: float) -> Ending:
    """The work took too long."""
    error = f"{handler.title} {timed_out(seconds)}"
    return _failure(handler, task, token, error, TimeoutError(), None, chance)


def of_outcome(
    handler: Handler, task: Task, token: str, ended: outcome.Maybe[Any], chance: float
) -> Ending:
    """What a value or an error makes of the task. `chance` (0..1) is for the retry's jitter."""
    try:
        if isinstance(ended, outcome.Value):
            return _of_value(handler, task, token, ended.value)
        return _of_error(handler, task, token, ended.error, chance)
    except BaseException as error:  # to look at them can run code of the handler's own
        if isinstance(error, KeyboardInterrupt):
            raise
        story = f"{handler.title} ended in a way that cannot be told: {type(error).__name__}"
        return Ending(_fail(task, token, story))


def _of_error(
    handler: Handler, task: Task, token: str, error: BaseException, chance: float
) -> Ending:
    for leaf in leaves(error):
        if isinstance(leaf, GiveUp):
            return Ending(_fail(task, token, f"{handler.title} gave up: {leaf.reason}"), False)
        if isinstance(leaf, Retry):
            story = f"{handler.title}: {leaf.reason}"
            return _failure(handler, task, token, story, leaf, leaf.after, chance)
        if isinstance(leaf, CommandFailed):
            ending = _failure(handler, task, token, str(leaf), leaf, None, chance)
            return ending if leaf.retryable else Ending(ending.finish, False)
    error = alone(error)
    hint = _wrong_world(handler, error)
    story = story_of(handler.title, error, hint)
    if hint is not None:
        return Ending(_fail(task, token, story), retryable=False)
    return _failure(handler, task, token, story, error, None, chance)


def _of_value(handler: Handler, task: Task, token: str, value: Any) -> Ending:
    try:
        encoded = result_json(value)
    except InvalidRequest as error:  # the next attempt would only return the same
        story = f"{handler.title} returned no JSON: {error.message}. {error.hint or ''}"
        return Ending(_fail(task, token, story), retryable=False)
    return Ending(Finish("complete", task.number, token, result_json=encoded))


def in_short(
    ending: Ending | None, result: outcome.Maybe[Any]
) -> tuple[str, str | None, str | None]:
    """How a job ended in one word; if it failed also its story, and the class of what it raised."""
    if ending is None:
        return "lost", None, None
    finish = ending.finish
    if finish.verb != "fail":
        return f"{finish.verb.removesuffix('e')}ed", None, None
    error = alone(result.error) if isinstance(result, outcome.Error) else None
    raised = error is not None and not isinstance(error, Stopped | CommandFailed)
    return "failed", finish.error, type(error).__qualname__ if raised else None


def _failure(
    handler: Handler,
    task: Task,
    token: str,
    story: str,
    error: BaseException,
    after: float | None,
    chance: float,
) -> Ending:
    finish = _fail(task, token, story)
    policy = handler.retry
    if policy is None:
        return Ending(finish, True, after)
    if isinstance(error, Retry):
        spent = policy.attempts is not None and task.attempt >= policy.attempts
        after = policy.delay(task.attempt, chance) if after is None else after
        return Ending(finish, not spent, after)
    if not policy.retries(error, task.attempt):
        return Ending(finish, False)
    return Ending(finish, True, policy.delay(task.attempt, chance))


def _fail(task: Task, token: str, story: str) -> Finish:
    return Finish("fail", task.number, token, error=bounded(story) or DEFAULT_FIRST_LINE)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in groups of errors, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def alone(error: BaseException) -> BaseException:
    """The one error inside groups of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def passes(error: BaseException) -> bool:
    """Whether this is none of a handler's own doing, and has to reach whoever runs the workers."""
    return interrupts(error) or any(isinstance(leaf, trio.Cancelled) for leaf in leaves(error))


def interrupts(error: BaseException) -> bool:
    """Whether somebody pressed Ctrl-C."""
    return any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves(error))


def story_of(title: str, error: BaseException, hint: str | None = None) -> str:
    """What happened, with the traceback from the handler's own first line on."""
    if isinstance(error, SystemExit):
        what = f"{title} called sys.exit({error.code!r})"
    else:
        what = f"{title} failed"
    if hint is not None:
        what = f"{what}. {hint}"
    lines = traceback.format_exception(type(error), error, _of_the_handler(error.__traceback__))
    return f"{what}\n{_end_of(''.join(lines).strip())}"


def _of_the_handler(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames that lead to the handler."""
    whole = trace
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if not f"{module}.".startswith(OUR_MODULES):
            return trace
        trace = trace.tb_next
    return whole


def _end_of(text: str) -> str:
    encoded = text.encode("utf-8", "backslashreplace")
    if len(encoded) <= STORY_BYTES:
        return encoded.decode()
    end = encoded[-STORY_BYTES:].decode("utf-8", "ignore")
    return f"[{len(encoded) - STORY_BYTES:,} bytes left out]\n{end}"


def bounded(text: str) -> str:
    """The text as an error may hold it: valid Unicode without NUL, bounded, its end kept."""
    first, found, rest = text.partition("\n")
    first = first[:1_000].encode("utf-8", "backslashreplace").decode()
    whole = f"{first}\n{_end_of(rest)}" if found else first
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}").strip()


def _wrong_world(handler: Handler, error: BaseException) -> str | None:
    """The fix, if a coroutine function was run by a library that it was not written for."""
    text = _text_of(error)
    if handler.kind == "trio":
        no_loop = isinstance(error, RuntimeError) and "no running event loop" in text
        bad_yield = isinstance(error, TypeError) and "yield message" in text
        return ASYNCIO_AS_TRIO if no_loop or bad_yield else None
    if handler.kind == "asyncio":
        signs = "must be called from async context", "Task got bad yield", "'RunContext'"
        return TRIO_AS_ASYNCIO if any(sign in text for sign in signs) else None
    return None


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # its text is code of the handler's own
        return ""
