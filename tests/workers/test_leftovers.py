"""What handlers leave behind: old cancellations, failed tasks, stopped loops. The pool goes on."""

from __future__ import annotations

import sys

import pytest
import trio

from scheduler import Job, Scheduler, Status

from .conftest import work_off


async def _old_cancellation() -> trio.Cancelled:
    """That of a scope which has been left."""
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as error:
            return error
    raise AssertionError("the scope was cancelled")


@pytest.mark.parametrize("grouped", [False, True])
async def test_an_old_cancellation(scheduler: Scheduler, grouped: bool) -> None:
    """Raised by a handler, it is an error like any other; it once ended all workers in silence."""

    @scheduler.handler("general")
    async def work(job: Job) -> None:
        if job.task.description == "leak":
            error = await _old_cancellation()
            raise BaseExceptionGroup("both", [error, ValueError()]) if grouped else error

    leak, other = await work_off(scheduler, "leak", "other", max_attempts=1)
    assert (leak.status, other.status) == (Status.FAILED, Status.COMPLETED)
    assert leak.error is not None
    assert "Cancelled" in leak.error


async def test_an_error_whose_text_exits(scheduler: Scheduler) -> None:
    """It fails the task, though nobody can say by what."""

    class Evil(Exception):
        def __str__(self) -> str:
            sys.exit(9)

    @scheduler.handler("general")
    async def work(job: Job) -> None:
        if job.task.description == "evil":
            raise Evil

    evil, other = await work_off(scheduler, "evil", "other", max_attempts=1)
    assert (evil.status, other.status) == (Status.FAILED, Status.COMPLETED)
    assert "cannot be told: SystemExit" in (evil.error or "")
