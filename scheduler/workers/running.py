"""One job in hand: the claim, its handler, and whether it was told to stop."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Literal, Protocol

import outcome
import trio

from scheduler.domain.task import Task
from scheduler.domain.views import Claim
from scheduler.telemetry import spans
from scheduler.workers.handlers import Handler

# Why a job was told to stop: its claim is gone, it took too long, or the workers are to end.
Why = Literal["lost", "timeout", "closing"]


class Stopped(Exception):
    """The outcome of work that ended because it was told to."""


class Running:
    """See the module. `cancel` tells the work to stop; the executor that starts it sets it."""

    __slots__ = (
        "begun",
        "cancel",
        "claim",
        "handler",
        "over",
        "overdue",
        "seconds",
        "span",
        "why",
    )

    def __init__(self, handler: Handler, claim: Claim) -> None:
        self.handler = handler
        self.claim = claim
        self.seconds = _shorter(handler.timeout, claim.task.timeout)
        self.span = spans.NO_RUN  # until it begins
        self.cancel: Callable[[], object] = _nothing
        self.why: Why | None = None
        self.begun = False
        self.over = False  # it has ended, and its slot is free
        self.overdue = False  # it was told to stop, and its grace has passed

    @property
    def task(self) -> Task:
        """The task, as it was claimed."""
        return self.claim.task

    def __repr__(self) -> str:
        return f"<{self.handler.title} on {self.claim.task.id}>"


Ended = Callable[[Running, outcome.Maybe[Any]], None]  # called in the Trio thread, once a job
Fail = Callable[[BaseException], None]  # called there, too: ends the pool by this error


class Executor(Protocol):
    """Where the jobs of a kind run. `start` returns at once; the end is told to an Ended."""

    can_abandon: bool  # whether what does not stop may be left alone

    def start(self, running: Running) -> None:
        """Begin the job."""
        ...


class InTrio:
    """Jobs that are Trio tasks, each in a scope of its own."""

    can_abandon = False

    def __init__(
        self,
        nursery: trio.Nursery,
        ended: Ended,
        call: Callable[[Running], Any],
        passes: Callable[[BaseException], bool],
    ) -> None:
        self._nursery = nursery
        self._ended = ended
        self._call = call
        self._passes = passes

    def start(self, running: Running) -> None:
        scope = trio.CancelScope()
        running.cancel = scope.cancel
        self._nursery.start_soon(self.run_job, running, scope, name=running.handler.title)

    async def run_job(self, running: Running, scope: trio.CancelScope) -> None:
        """Also what the watchdog looks for on the stack, to tell whose job it is."""
        result: outcome.Maybe[Any] = outcome.Error(Stopped())
        try:
            with scope:
                result = outcome.Value(await self._call(running))
        except BaseException as error:
            if self._passes(error) and not _is_stale(error):
                raise
            result = outcome.Error(error)
        self._ended(running, result)


def _is_stale(error: BaseException) -> bool:
    """Whether it is only the cancellation of a scope that the handler has left: nobody cancels us.

    Passed on, it would end the workers without a word.
    """
    only = isinstance(error, trio.Cancelled) or (
        isinstance(error, BaseExceptionGroup) and error.split(KeyboardInterrupt)[0] is None
    )
    return only and trio.current_effective_deadline() > -inf


def _shorter(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)


def _nothing() -> None:
    """Nobody has begun it yet."""
