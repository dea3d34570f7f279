"""Workers in an asyncio program."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

import pytest
import trio
import trio.lowlevel

from scheduler import InvalidRequest, Status
from scheduler.asyncio import Scheduler
from scheduler.workers import watchdog
from scheduler.workers.job import BlockingJob, Job
from tests.bridging.test_asyncio_program import with_scheduler


def test_handlers_of_every_kind_run_where_they_belong() -> None:
    """Coroutine functions in the program's own loop, plain ones in threads, commands apart."""

    async def use(scheduler: Scheduler) -> None:
        here, loop = threading.get_ident(), asyncio.get_running_loop()

        @scheduler.handler("coroutine")
        async def coroutine(job: Job) -> bool:
            await job.report(0.5)
            await job.enqueue("A child", agent_type="plain")
            return asyncio.get_running_loop() is loop

        @scheduler.handler("plain")
        def plain(job: BlockingJob) -> bool:
            job.report(0.5)
            return threading.get_ident() != here

        @scheduler.handler("trio", kind="trio")
        async def in_trio(job: Job) -> bool:
            await trio.lowlevel.checkpoint()
            await job.report(0.5)
            return threading.get_ident() != here

        scheduler.handler("command", run=[sys.executable, "-c", "print('true')"])
        kinds = ["coroutine", "trio", "command"]
        tasks = [await scheduler.enqueue("A task", agent_type=kind) for kind in kinds]
        await scheduler.run_workers(until_idle=True)
        done = await scheduler.wait(tasks)
        assert [(task.status, task.error) for task in done] == [(Status.COMPLETED, None)] * 3
        assert [task.result for task in done[:2]] == [True, True]
        [child] = (await scheduler.list(agent_type="plain")).tasks
        assert (child.status, child.parent_id) == (Status.COMPLETED, tasks[0].id)

    with_scheduler(use)


def test_a_handler_that_blocks_the_program_s_loop_is_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the actors, in another thread, go on."""
    monkeypatch.setattr(watchdog, "BLOCKED_AFTER", 0.1)
    monkeypatch.setattr(watchdog, "LOOK_EVERY", 0.02)

    async def use(scheduler: Scheduler) -> None:
        @scheduler.handler("general")
        async def slow(job: Job) -> None:
            time.sleep(0.4)  # noqa: ASYNC251

        await scheduler.enqueue("A task")
        await scheduler.run_workers(until_idle=True)

    with_scheduler(use)
    (told,) = [r.message for r in caplog.records if "blocked" in r.message]
    assert "slow for 'general' has blocked the asyncio loop" in told
    assert "asyncio.to_thread" in told


def test_cancelling_run_workers_ends_the_pool_in_order() -> None:
    """The handler is cancelled and has its say; its task goes back; the pool can run again."""
    story: list[str] = []

    async def use(scheduler: Scheduler) -> None:
        began = asyncio.Event()

        @scheduler.handler("general")
        async def handle(job: Job) -> None:
            began.set()
            try:
                await asyncio.sleep(60 if not story else 0)
            except asyncio.CancelledError:
                await asyncio.sleep(0.01)
                story.append("told to stop")
                raise

        task = await scheduler.enqueue("A task")
        workers = asyncio.create_task(scheduler.run_workers())
        await began.wait()
        workers.cancel()
        with pytest.raises(asyncio.CancelledError):
            await workers
        assert story == ["told to stop"]
        assert (await scheduler.get(task)).status is Status.READY
        await scheduler.run_workers(until_idle=True)
        assert (await scheduler.get(task)).status is Status.COMPLETED

    with_scheduler(use)


def test_cancelling_a_task_cancels_its_handler() -> None:
    """In the program's own loop, at once."""

    async def use(scheduler: Scheduler) -> None:
        began, stopped = asyncio.Event(), asyncio.Event()

        @scheduler.handler("general")
        async def handle(job: Job) -> None:
            began.set()
            try:
                await asyncio.sleep(60)
            finally:
                stopped.set()

        task = await scheduler.enqueue("A task")
        workers = asyncio.create_task(scheduler.run_workers())
        await began.wait()
        await scheduler.cancel(task)
        await asyncio.wait_for(stopped.wait(), 10)
        await scheduler.end_workers()
        await workers
        assert (await scheduler.get(task)).status is Status.CANCELLED

    with_scheduler(use)


def test_the_end_of_the_block_ends_the_workers() -> None:
    """Handlers are told to stop, and `run_workers` returns."""
    stopped: list[bool] = []
    workers: list[asyncio.Task[None]] = []

    async def use(scheduler: Scheduler) -> None:
        began = asyncio.Event()

        @scheduler.handler("general")
        async def handle(job: Job) -> None:
            began.set()
            try:
                await asyncio.sleep(60)
            finally:
                stopped.append(True)

        await scheduler.enqueue("A task")
        workers.append(asyncio.create_task(scheduler.run_workers()))
        await began.wait()

    with_scheduler(use)
    assert stopped == [True]
    assert workers[0].exception() is None


def test_an_error_of_a_handler_fails_its_task_with_the_traceback() -> None:
    """And ends nothing else."""

    async def use(scheduler: Scheduler) -> None:
        @scheduler.handler("general")
        async def handle(job: Job) -> None:
            raise ZeroDivisionError("on purpose")

        task = await scheduler.enqueue("A task", max_attempts=1)
        await scheduler.run_workers(until_idle=True)
        failed = await scheduler.get(task)
        assert failed.status is Status.FAILED
        assert "ZeroDivisionError: on purpose" in str(failed.error)
        assert "test_asyncio_workers.py" in str(failed.error)

    with_scheduler(use)


def test_running_workers_without_handlers_is_refused() -> None:
    """With the fix, from the other thread."""

    async def use(scheduler: Scheduler) -> None:
        with pytest.raises(InvalidRequest, match="no handler is registered"):
            await scheduler.run_workers()

    with_scheduler(use)
