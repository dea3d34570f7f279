"""Tells by name which handler blocks the Trio loop, so that nothing else gets its turn.

An instrument notes when a turn of the loop begins, which costs a tenth of a microsecond a turn;
a thread looks twice a second whether one has lasted too long, and at the stack of the loop's
thread if so.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import trio

from scheduler.workers.running import Running

logger = logging.getLogger("headrace.workers")

BLOCKED_AFTER = 1.0  # seconds, on the real clock
LOOK_EVERY = 0.25
JOB = "run_job"  # what an executor calls the coroutine that has a job in `running`


class _Turns(trio.abc.Instrument):
    """When the turn of the loop that goes on now began; None between two turns."""

    def __init__(self) -> None:
        self.since: float | None = time.monotonic()

    def after_io_wait(self, timeout: float) -> None:
        self.since = time.monotonic()

    def before_io_wait(self, timeout: float) -> None:
        self.since = None


@contextmanager
def watched() -> Iterator[None]:
    """Watch the loop of this thread within the block."""
    turns, stop = _Turns(), threading.Event()
    thread = threading.Thread(
        target=_watch,
        args=(turns, stop, threading.get_ident()),
        name="headrace watchdog",
        daemon=True,
    )
    trio.lowlevel.add_instrument(turns)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        trio.lowlevel.remove_instrument(turns)


def _watch(turns: _Turns, stop: threading.Event, ident: int) -> None:
    told: float | None = None
    while not stop.wait(LOOK_EVERY):
        since = turns.since
        if since is None or since == told or time.monotonic() - since < BLOCKED_AFTER:
            continue
        frame = sys._current_frames().get(ident)
        if frame is not None and turns.since == since:
            told = since
            logger.warning("%s", describe(frame, time.monotonic() - since))


def describe(frame: FrameType, seconds: float) -> str:
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
                    f"{running.handler.title} has blocked the Trio loop for {seconds:.1f} s on task"
                    f" {running.task.id}, at {where}{own}. Call what blocks in a thread: define the"
                    " handler without async, or use trio.to_thread.run_sync."
                )
        if not _is_ours(outer):
            inner = outer
        outer = outer.f_back
    return f"something has blocked the Trio loop for {seconds:.1f} s, at {where}"


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("scheduler.workers.")


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
