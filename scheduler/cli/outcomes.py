"""How work ended, and what is told of it."""

from __future__ import annotations

import signal
from typing import Any

import msgspec

from scheduler.cli.commands import Tail

STORY_LENGTH = 2_000  # characters of output in an error


class Outcome(msgspec.Struct, frozen=True):
    """A result, or an error; `retryable` says whether another attempt may mend it."""

    error: str | None = None
    result: Any = None
    retryable: bool = True


def timed_out(seconds: float) -> str:
    return f"timed out after {seconds:g} s"


def not_started(error: OSError) -> str:
    return f"cannot be started: {error.strerror or error}"


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
