"""Tells by name which handler blocks a loop, so that nothing else gets its turn.

In Trio an instrument notes when a turn of the loop begins, which costs a tenth of a microsecond a
turn. An asyncio loop is asked to answer while it has jobs. A thread looks four times a second
whether a turn, or an answer, takes too long, and at the stack of the loop's thread if so.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

import trio

from scheduler.workers.running import Running

if TYPE_CHECKING:
    import asyncio

logger = logging.getLogger("headrace.workers")

BLOCKED_AFTER = 1.0  # seconds, on the real clock
LOOK_EVERY = 0.25
IN_TRIO = "use trio.to_thread.run_sync"
IN_ASYNCIO = "use asyncio.to_thread, or register it with own_thread=True"
JOB = "run_job"  # what an executor calls the coroutine that has a job in `running`


class _Turns(trio.abc.Instrument):
    """When the turn of the loop that goes on now began; None between two turns."""

    def __init__(self) -> None:
        self.since: float | None = time.monotonic()

    def after_io_wait(self, timeout: float) -> None:
        self.since = time.monotonic()

    def before_io_wait(self, timeout: float) -> None:
        self.since = None


class _Answers:
    """When an asyncio loop was asked for the answer that it owes; None if it owes none."""

    def __init__(self, loop: asyncio.AbstractEventLoop, has_jobs: Callable[[], bool]) -> None:
        self.ident: int | None = None  # of the loop's thread, once it has answered
        self._loop = loop
        self._has_jobs = has_jobs
        self._asked: float | None = None
        self._ask()  # before the first job, which may block at once

    @property
    def since(self) -> float | None:
        """Asks anew if there is no question open."""
        if self._asked is None and self._has_jobs():
            self._ask()
        return self._asked

    def _ask(self) -> None:
        self._asked = time.monotonic()
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self.ident = threading.get_ident()
        self._asked = None


@contextmanager
def watched() -> Iterator[None]:
    """Watch the Trio loop of this thread within the block."""
    turns, ident = _Turns(), threading.get_ident()
    trio.lowlevel.add_instrument(turns)
    try:
        with _watching(lambda: turns.since, lambda: ident, "Trio", IN_TRIO):
            yield
    finally:
        trio.lowlevel.remove_instrument(turns)


@contextmanager
def watched_asyncio(
    loop: asyncio.AbstractEventLoop, has_jobs: Callable[[], bool]
) -> Iterator[None]:
    """Watch the asyncio loop of another thread within the block, while it `has_jobs`."""
    answers = _Answers(loop, has_jobs)
    with _watching(lambda: answers.since, lambda: answers.ident, "asyncio", IN_ASYNCIO):
        yield


@contextmanager
def _watching(
    since: Callable[[], float | None], ident: Callable[[], int | None], name: str, fix: str
) -> Iterator[None]:
    stop = threading.Event()
    threading.Thread(
        target=_watch, args=(since, ident, stop, name, fix), name="headrace watchdog", daemon=True
    ).start()
    try:
        yield
    finally:
        stop.set()


def _watch(
    busy_since: Callable[[], float | None],
    ident: Callable[[], int | None],
    stop: threading.Event,
    name: str,
    fix: str,
) -> None:
    told: float | None = None
    while not stop.wait(LOOK_EVERY):
        since = busy_since()
        if since is None or since == told or time.monotonic() - since < BLOCKED_AFTER:
            continue
        thread = ident()
        frame = None if thread is None else sys._current_frames().get(thread)
        if frame is not None and busy_since() == since:
            told = since
            logger.warning("%s", describe(frame, time.monotonic() - since, name, fix))


def describe(frame: FrameType, seconds: float, name: str, fix: str) -> str:
    """Who blocks the loop, and where; `frame` is the innermost of the loop's thread."""
    where = _place(frame)
    inner: FrameType | None = None
    outer: FrameType | None = frame
    while outer is not None:
        if outer.f_code.co_name == JOB:
            running = outer.f_locals.get("running")
            if isinstance(running, Running):
                own = "" if inner is None or inner is frame else f", called from {_place(inner)}"
                return (
                    f"{running.handler.title} has blocked the {name} loop for {seconds:.1f} s on"
                    f" task {running.task.id}, at {where}{own}. Call what blocks in a thread:"
                    f" define the handler without async, or {fix}."
                )
        if not _is_ours(outer):
            inner = outer
        outer = outer.f_back
    return f"something has blocked the {name} loop for {seconds:.1f} s, at {where}"


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("scheduler.workers.")


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
