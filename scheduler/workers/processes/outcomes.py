"""How work ended, and what is told of it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any

import msgspec
import trio

from scheduler.workers.processes.commands import TAIL_BYTES, TERM_SECONDS, Tail, run_command

STORY_LENGTH = 2_000  # characters of output in an error


class Outcome(msgspec.Struct, frozen=True):
    """A result, or an error; `retryable` says whether another attempt may mend it.

    `unfit`: the task has no part in the error; whoever does it cannot do any.
    """

    error: str | None = None
    result: Any = None
    retryable: bool = True
    unfit: bool = False


async def attempt(
    words: Sequence[str],
    environment: Mapping[str, str | None],
    result: Callable[[Tail, Tail], Any],
    *,
    limit: float | None,
    grace: float = TERM_SECONDS,
    stdin: bytes | None = None,
    permanent: Mapping[int, str] | None = None,
    kept: int = TAIL_BYTES,
) -> Outcome:
    """Run a command for a task; never raises for what it does.

    `result` is made of its stdout, of which `kept` bytes are there, and its stderr. It may take
    `limit` seconds; a code in `permanent`, which names it, fails for good.
    """
    stdout, stderr = Tail(kept), Tail()
    try:
        with trio.move_on_after(inf if limit is None else limit) as scope:
            code = await run_command(words, environment, stdout, stderr, stdin, grace)
    except OSError as error:
        return Outcome(not_started(words[0], error))
    if scope.cancelled_caught:
        assert limit is not None
        return Outcome(story(timed_out(limit), stdout, stderr))
    if code == 0:
        return Outcome(result=result(stdout, stderr))
    name = (permanent or {}).get(code)
    what = how_it_ended(code) + (f" ({name})" if name else "")
    return Outcome(story(what, stdout, stderr), retryable=name is None)


def timed_out(seconds: float) -> str:
    return f"timed out after {seconds:g} s"


def not_started(command: str, error: OSError) -> str:
    return f"{command} cannot be started: {error.strerror or error}"


def how_it_ended(code: int) -> str:
    """The exit code of a process in words; negative for a signal.

    >>> how_it_ended(3), how_it_ended(-9)
    ('exit code 3', 'killed by SIGKILL')
    """
    if code > 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def story(what: str, stdout: Tail, stderr: Tail) -> str:
    """What happened, with the end of stderr, or of stdout when stderr is silent."""
    output = stderr.text.strip() or stdout.text.strip()
    return f"{what}\n{output[-STORY_LENGTH:]}" if output else what


def in_short(error: str) -> str:
    """A story on one line: what happened, and the last that was said.

    >>> in_short("exit code 3\\nTraceback …\\nKeyError: 'a'")
    "exit code 3: KeyError: 'a'"
    """
    what, *said = error.strip().split("\n")
    return f"{what}: {said[-1].strip()}" if said else what
