"""Handlers that are no Trio tasks: asyncio in the same thread and in another, and threads."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import trio

from scheduler import BlockingJob, Job, Scheduler, Status, TaskSpec
from scheduler.workers import job as jobs

from .conftest import until, work_off, working

ASYNCIO = pytest.mark.parametrize("own_thread", [False, True], ids=["shared", "own thread"])


@ASYNCIO
async def test_asyncio(scheduler: Scheduler, own_thread: bool) -> None:
    """The job's scheduler is one for asyncio tasks; the thread is the one asked for."""
    threads: set[int] = set()

    @scheduler.handler("general", kind="asyncio", own_thread=own_thread)
    async def work(job: Job) -> Any:
        await asyncio.sleep(0.001)
        threads.add(threading.get_ident())
        await job.report(0.5, "half")
        child = await job.enqueue("child", agent_type="nobody")
        same = await job.scheduler.get(child)
        return [job.payload, same.parent_id]

    (task,) = await work_off(scheduler, "work", payload="p")
    assert task.result == ["p", task.id]
    assert (threads == {threading.get_ident()}) is not own_thread


@ASYNCIO
@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda: 1 / 0, "ZeroDivisionError"),
        (lambda: sys.exit(4), "called sys.exit(4)"),
        (lambda: _raise(asyncio.CancelledError()), "cancelled, and not by the scheduler"),
        (lambda: _cancel_itself(), "cancelled, and not by the scheduler"),
        (lambda: _raise(_Odd("odd")), "odd"),
    ],
    ids=["error", "exit", "raises cancelled", "cancels itself", "base exception"],
)
async def test_asyncio_that_fails(
    scheduler: Scheduler, own_thread: bool, act: Callable[[], object], told: str
) -> None:
    """One task fails, and the pool goes on."""

    @scheduler.handler("general", kind="asyncio", own_thread=own_thread)
    async def work(job: Job) -> None:
        if job.payload:
            act()
        await asyncio.sleep(0.001)

    made = await scheduler.enqueue_many(
        [TaskSpec("bad", payload=1, max_attempts=1), TaskSpec("good")]
    )
    await scheduler.run_workers(until_idle=True)
    bad, good = [await scheduler.get(task) for task in made]
    assert (bad.status, good.status) == (Status.FAILED, Status.COMPLETED)
    assert told in (bad.error or "")


class _Odd(BaseException):
    """Of the kind that passes by `except Exception`."""


def _raise(error: BaseException) -> None:
    raise error


def _cancel_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


@ASYNCIO
async def test_asyncio_hears_of_a_cancel(scheduler: Scheduler, own_thread: bool) -> None:
    """Long before a heartbeat; so it does when the workers end."""
    heard: list[str] = []

    @scheduler.handler("general", kind="asyncio", own_thread=own_thread, concurrency=2)
    async def work(job: Job) -> None:
        heard.append("begun")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    first, second = [await scheduler.enqueue("work") for _ in range(2)]
    async with working(scheduler):
        await until(lambda: len(heard) == 2)
        await scheduler.cancel(first)
        await until(lambda: len(heard) == 3)
    assert heard[2:] == ["cancelled", "cancelled"]
    assert (await scheduler.get(first)).status is Status.CANCELLED
    assert (await scheduler.get(second)).status is Status.READY


@ASYNCIO
async def test_asyncio_times_out(scheduler: Scheduler, own_thread: bool) -> None:
    """What it returns after it has caught the cancellation does not count."""

    @scheduler.handler("general", kind="asyncio", own_thread=own_thread, timeout=0.05)
    async def work(job: Job) -> str:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return "late"

    (task,) = await work_off(scheduler, "work", max_attempts=1)
    assert (task.status, task.result) == (Status.FAILED, None)
    assert "timed out after 0.05 s" in (task.error or "")


async def test_a_trio_function_run_as_asyncio(scheduler: Scheduler) -> None:
    """The error names the fix, and is not repeated."""

    @scheduler.handler("general", kind="asyncio")
    async def work(job: Job) -> None:
        await trio.sleep_forever()

    (task,) = await work_off(scheduler, "work")
    assert (task.status, task.attempt) == (Status.FAILED, 1)
    assert 'register it with kind="trio"' in (task.error or "")


async def test_code_that_blocks_has_a_thread_of_its_own(scheduler: Scheduler) -> None:
    """The Trio loop goes on meanwhile."""
    turns = 0

    @scheduler.handler("general", kind="asyncio", own_thread=True)
    async def work(job: Job) -> None:
        time.sleep(0.3)  # noqa: ASYNC251 - that is what it is for

    async with trio.open_nursery() as nursery:

        async def turn() -> None:
            nonlocal turns
            while True:
                await trio.sleep(0.01)
                turns += 1

        nursery.start_soon(turn)
        await work_off(scheduler, "work")
        nursery.cancel_scope.cancel()
    assert turns > 5


async def test_a_thread(scheduler: Scheduler) -> None:
    """The job's scheduler blocks; results, children and progress as for the others."""

    @scheduler.handler("general")
    def work(job: BlockingJob) -> Any:
        assert threading.current_thread() is not threading.main_thread()
        job.report(0.5, "half")
        child = job.enqueue("child", agent_type="nobody")
        (other,) = job.enqueue_many([TaskSpec("other", agent_type="nobody")])
        note = job.scheduler.get(job.task).note
        return [job.payload, note, child.parent_id, other.parent_id]

    (task,) = await work_off(scheduler, "work", payload="p")
    assert task.result == ["p", "half", task.id, task.id]


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda: 1 / 0, "ZeroDivisionError"),
        (lambda: sys.exit("bye"), "called sys.exit('bye')"),
        (lambda: _raise(_Odd("odd")), "odd"),
        (lambda: _raise(KeyboardInterrupt()), "KeyboardInterrupt"),
        (lambda: _raise(StopIteration(1)), "StopIteration"),
    ],
    ids=["error", "exit", "base exception", "interrupt", "stop iteration"],
)
async def test_a_thread_that_fails(
    scheduler: Scheduler, act: Callable[[], object], told: str
) -> None:
    @scheduler.handler("general")
    def work(job: BlockingJob) -> None:
        if job.payload:
            act()

    made = await scheduler.enqueue_many(
        [TaskSpec("bad", payload=1, max_attempts=1), TaskSpec("good")]
    )
    await scheduler.run_workers(until_idle=True)
    bad, good = [await scheduler.get(task) for task in made]
    assert (bad.status, good.status) == (Status.FAILED, Status.COMPLETED)
    assert told in (bad.error or "")


async def test_a_thread_is_told_by_a_token(scheduler: Scheduler) -> None:
    """`check` and `sleep` raise, `cancelled` turns true."""
    heard: list[str] = []

    @scheduler.handler("general", concurrency=3)
    def work(job: BlockingJob) -> None:
        heard.append("begun")
        try:
            if job.payload == "sleep":
                job.sleep(60)
            while not (job.payload == "look" and job.cancelled):
                if job.payload == "check":
                    job.check()
                time.sleep(0.005)
            heard.append("look")
        except jobs.Cancelled:
            heard.append(job.payload)
            raise

    ways = ("sleep", "check", "look")
    made = [await scheduler.enqueue(way, payload=way) for way in ways]
    async with working(scheduler):
        await until(lambda: len(heard) == 3)
        for task in made:
            await scheduler.cancel(task)
        await until(lambda: len(heard) == 6)
    assert sorted(heard[3:]) == sorted(ways)


async def test_a_thread_that_ends_in_its_grace(scheduler: Scheduler) -> None:
    """When the workers end: what it has done by then counts."""
    begun = threading.Event()

    @scheduler.handler("general")
    def work(job: BlockingJob) -> str:
        begun.set()
        job.stopped.wait(10)
        return "done"

    task = await scheduler.enqueue("work")
    async with working(scheduler):
        await until(begun.is_set)
    assert (await scheduler.get(task)).result == "done"


async def test_a_thread_that_does_not_stop(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named and left alone after its grace; the slot and the task are free again."""
    go_on = threading.Event()

    @scheduler.handler("general", timeout=0.05, grace=0.05)
    def deaf(job: BlockingJob) -> str:
        if job.payload:
            go_on.wait(10)
        return "ended"

    try:
        made = await scheduler.enqueue_many(
            [TaskSpec("deaf", payload=1, max_attempts=1), TaskSpec("other")]
        )
        await scheduler.run_workers(until_idle=True)
        first, second = [await scheduler.get(task) for task in made]
    finally:
        go_on.set()
    assert "timed out after 0.05 s" in (first.error or "")
    assert second.status is Status.COMPLETED
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "deaf for 'general' goes on 0.05 s after it was told to stop" in record.message
    assert "job.check()" in record.message


async def test_several_at_once(scheduler: Scheduler) -> None:
    """As many threads as the handler's concurrency, and no more."""
    together = threading.Barrier(4)

    @scheduler.handler("general", concurrency=4)
    def work(job: BlockingJob) -> None:
        together.wait(10)

    tasks = await work_off(scheduler, *"abcdefgh")
    assert {task.status for task in tasks} == {Status.COMPLETED}
