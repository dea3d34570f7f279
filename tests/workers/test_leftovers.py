"""What handlers leave behind: old cancellations, failed tasks, stopped loops. The pool goes on."""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import trio

from scheduler import Job, Scheduler, Status, TaskSpec

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


async def _exits() -> None:
    sys.exit(3)


async def _fails() -> None:
    raise KeyError("forgotten")


def _fails_in_a_callback() -> None:
    raise KeyError("in a callback")


async def _leave_a_task(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    task = asyncio.create_task(work())
    await asyncio.wait([task])
    del task
    gc.collect()
    await asyncio.sleep(0.01)


async def _leave_a_callback() -> None:
    asyncio.get_running_loop().call_soon(_fails_in_a_callback)
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("own_thread", [False, True], ids=["shared", "own thread"])
@pytest.mark.parametrize(
    ("leave", "logged"),
    [
        (lambda: _leave_a_task(_exits), "called sys.exit(3)"),
        (lambda: _leave_a_task(_fails), "forgotten"),
        (_leave_a_callback, "in a callback"),
    ],
    ids=["exit", "error", "callback"],
)
async def test_what_an_asyncio_handler_leaves_in_the_loop(
    scheduler: Scheduler,
    caplog: pytest.LogCaptureFixture,
    own_thread: bool,
    leave: Callable[[], Coroutine[Any, Any, None]],
    logged: str,
) -> None:
    """Is logged, as asyncio does; neither its task nor the others hear of it."""

    @scheduler.handler("general", kind="asyncio", own_thread=own_thread)
    async def work(job: Job) -> str:
        if job.task.description == "leave":
            await leave()
        return "done"

    left, other = await work_off(scheduler, "leave", "other", max_attempts=1)
    assert (left.result, other.result) == ("done", "done")
    assert logged in caplog.text


async def test_a_task_of_a_handler_that_exits(scheduler: Scheduler) -> None:
    """Whoever waits for it gets an error, which fails the attempt."""

    @scheduler.handler("general", kind="asyncio")
    async def work(job: Job) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_exits())

    (task,) = await work_off(scheduler, "work", max_attempts=1)
    assert task.status is Status.FAILED
    assert "a task called sys.exit(3)" in (task.error or "")


async def test_nobody_stops_the_shared_loop(scheduler: Scheduler) -> None:
    """It would hold up every asyncio handler for ever; the attempt fails instead."""

    @scheduler.handler("general", kind="asyncio")
    async def work(job: Job) -> None:
        if job.task.description == "stop":
            asyncio.get_running_loop().stop()

    stop, other = await work_off(scheduler, "stop", "other", max_attempts=1)
    assert (stop.status, other.status) == (Status.FAILED, Status.COMPLETED)
    assert "cannot stop the asyncio loop" in (stop.error or "")


async def test_a_loop_of_its_own_that_was_stopped(scheduler: Scheduler) -> None:
    """Ends the workers by an error; it once failed every task that was left."""

    @scheduler.handler("general", kind="asyncio", own_thread=True)
    async def work(job: Job) -> None:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(10)

    tasks = [await scheduler.enqueue(f"task {n}", max_attempts=1) for n in range(5)]
    with trio.fail_after(10), pytest.raises(RuntimeError, match="has ended"):
        await scheduler.run_workers(until_idle=True)
    statuses = [(await scheduler.get(task)).status for task in tasks]
    assert statuses.count(Status.READY) == 4
    assert statuses.count(Status.FAILED) == 1


async def test_a_loop_of_its_own_is_one_of_asyncio(scheduler: Scheduler) -> None:
    """Also when trio-asyncio, which shared handlers bring along, has replaced the usual one."""

    async def work(job: Job) -> list[str]:
        loop = type(asyncio.get_running_loop())
        process = await asyncio.create_subprocess_exec("true")
        return [loop.__module__.partition(".")[0], str(await process.wait())]

    scheduler.handler("shared", kind="asyncio")(work)
    scheduler.handler("own", kind="asyncio", own_thread=True)(work)
    shared, own = await scheduler.enqueue_many(
        [TaskSpec("work", agent_type=name) for name in ("shared", "own")]
    )
    await scheduler.run_workers(until_idle=True)
    assert (await scheduler.get(shared)).result == ["trio_asyncio", "0"]
    assert (await scheduler.get(own)).result == ["asyncio", "0"]


async def test_a_task_cancelled_before_it_starts(scheduler: Scheduler) -> None:
    """Ends in silence: nobody warns that its coroutine was never awaited."""

    @scheduler.handler("general", kind="asyncio")
    async def work(job: Job) -> bool:
        task = asyncio.create_task(_fails())
        task.cancel()
        await asyncio.wait([task])
        cancelled = task.cancelled()
        del task
        gc.collect()
        return cancelled

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", RuntimeWarning)
        (task,) = await work_off(scheduler, "work", max_attempts=1)
        gc.collect()
    assert (task.status, task.result) == (Status.COMPLETED, True)
    assert [str(warning.message) for warning in warned if warning.category is RuntimeWarning] == []


async def test_a_task_of_what_is_no_coroutine(scheduler: Scheduler) -> None:
    """Is refused where it is made, as in any other asyncio loop."""

    @scheduler.handler("general", kind="asyncio")
    async def work(job: Job) -> str:
        try:
            asyncio.get_running_loop().create_task(5)  # type: ignore[arg-type]
        except TypeError as error:
            return str(error)
        return "taken"

    (task,) = await work_off(scheduler, "work", max_attempts=1)
    assert task.result == "a coroutine was expected, got 5"
