"""What a subprocess handler runs: words, or a plain function that makes them from the task."""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

from scheduler.domain.errors import InvalidRequest
from scheduler.domain.task import Task
from scheduler.workers.functions import checked_function, is_kind
from scheduler.workers.steering import GiveUp

Words = tuple[str, ...]
WordsOf = Callable[[Task], Sequence[str]]
Command = Sequence[str] | WordsOf


def words_for(command: Words | WordsOf, task: Task) -> Words:
    """The command for this task. Raises what the function raises; GiveUp for what is none."""
    if isinstance(command, tuple):
        return command
    words = command(task)
    if not are_words(words):
        raise GiveUp(f"its command is no list of words, one str each: {ascii(words)[:80]}")
    return tuple(words)


def checked_command(run: Any, agent_type: str) -> tuple[Words | WordsOf, str]:
    """The words, or the function that makes them, and how to call it in texts."""
    if not callable(run):
        words = _checked_words(run)
        return words, f"the command {os.path.basename(words[0])!r}"
    title = checked_function(run, agent_type, shape="command(task)")
    if is_kind(inspect.iscoroutinefunction, run):
        raise InvalidRequest(
            "the function that makes a command cannot be awaited",
            field="run",
            received=title,
            allowed="a plain function from a Task to a list of words",
            hint="Define it without async; what must be awaited belongs into a handler.",
        )
    return run, f"the command of {title}"


def are_words(words: object) -> TypeGuard[Sequence[str]]:
    """Whether it is a list of one str each, with at least the program."""
    return (
        isinstance(words, Sequence)
        and not isinstance(words, str | bytes)
        and len(words) > 0
        and all(isinstance(word, str) and "\0" not in word for word in words)
    )


def _checked_words(run: object) -> Words:
    if not are_words(run):
        raise InvalidRequest(
            "run is no list of words",
            field="run",
            received=ascii(run)[:80],
            allowed="the program and its arguments, one str each",
            hint='Write run=["python", "job.py"]; for a shell, run=["sh", "-c", "…"].',
        )
    words = tuple(run)
    if not words[0] or shutil.which(words[0]) is None:
        raise InvalidRequest(
            "the command of run is not found, or may not be executed",
            field="run",
            received=words[0][:80],
            allowed="a program on the PATH, or the path of one",
            hint="Install it, or give its absolute path; sys.executable is this Python.",
        )
    return words
