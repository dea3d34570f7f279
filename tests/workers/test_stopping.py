"""Work is told to stop when it no longer counts, and nothing a handler does ends the pool."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest
import trio
import trio.testing

from scheduler import Job, Scheduler, SchedulerClosed, Status, Task, TaskSpec, open_scheduler
from tests.flows.conftest import run_on_virtual_time, virtual_wall

from .conftest import work_off, working

VIRTUAL_TIME = True


class Long:
    """A handler that goes on until it is cancelled, and when that was."""

    def __init__(self) -> None:
        self.started = self.cancelled = 0
        self.at = -1.0

    async def __call__(self, job: Job) -> None:
        self.started += 1
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            self.cancelled += 1
            self.at = trio.current_time()
            raise


async def started(scheduler: Scheduler) -> tuple[Long, str]:
    """A long job under way."""
    long = Long()
    scheduler.handler("general")(long)
    task = await scheduler.enqueue("work")
    return long, task.id


async def test_a_cancelled_task(scheduler: Scheduler) -> None:
    """Its job is cancelled in the same instant; nothing is reported for it."""
    long, task = await started(scheduler)
    async with working(scheduler, lease=10_000):
        await trio.sleep(5)
        await scheduler.cancel(task, "no more")
        await trio.testing.wait_all_tasks_blocked()
        assert (long.cancelled, long.at) == (1, trio.current_time())
        await trio.sleep(1)
        assert (await scheduler.get(task)).status is Status.CANCELLED


async def test_a_released_holder(scheduler: Scheduler) -> None:
    """Another attempt may begin; the first is told at once."""
    long, _ = await started(scheduler)
    async with working(scheduler, lease=10_000):
        await trio.sleep(5)
        await scheduler.release_holders("pool:")
        await trio.sleep(1)
        assert (long.started, long.cancelled) == (2, 1)


async def test_a_lost_lease(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without heartbeats, as when the process was asleep: heard when it expires."""

    async def none(*_: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr("scheduler.workers.keeping.send_heartbeats", none)
    long, task = await started(scheduler)
    async with working(scheduler, lease=30):
        await trio.sleep(29)
        assert long.cancelled == 0
        await trio.sleep(2)
        assert (long.cancelled, long.at) == (1, 30)
        assert (await scheduler.get(task)).attempt == 2


async def test_a_heartbeat_that_hears_of_it(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the revocation was missed, the next heartbeat stops the job."""

    async def none(self: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr("scheduler.workers.keeping.Listener.run", none)
    long, task = await started(scheduler)
    async with working(scheduler, lease=30):
        await trio.sleep(5)
        await scheduler.cancel(task)
        await trio.sleep(6)
        assert (long.cancelled, long.at) == (1, 10)


@pytest.mark.parametrize(("own", "of_handler"), [(7.0, None), (None, 7.0), (7.0, 9.0), (9.0, 7.0)])
async def test_a_timeout(scheduler: Scheduler, own: float | None, of_handler: float | None) -> None:
    """The shorter of the task's and the handler's; it is retryable."""
    long = Long()
    scheduler.handler("general", timeout=of_handler)(long)
    (task,) = await work_off(scheduler, "work", timeout=own, max_attempts=2)
    assert (task.status, long.started, long.cancelled) == (Status.FAILED, 2, 2)
    assert (task.error or "").endswith("timed out after 7 s")


async def test_a_timeout_that_is_swallowed(scheduler: Scheduler) -> None:
    """The value that comes after it does not count."""

    @scheduler.handler("general", timeout=5)
    async def work(job: Job) -> str:
        with trio.CancelScope(shield=True):
            await trio.sleep(6)
        return "late"

    (task,) = await work_off(scheduler, "work", max_attempts=1)
    assert (task.status, task.result) == (Status.FAILED, None)


async def test_workers_that_are_cancelled(scheduler: Scheduler) -> None:
    """Their jobs are cancelled, and the tasks go back without losing an attempt."""
    long, task = await started(scheduler)
    async with working(scheduler):
        await trio.sleep(5)
    assert long.cancelled == 1
    given_back = await scheduler.get(task)
    assert (given_back.status, given_back.attempt) == (Status.READY, 0)


async def test_cleanup_gets_its_time(scheduler: Scheduler) -> None:
    """A handler may shield what it must still do."""
    cleaned: list[float] = []

    @scheduler.handler("general")
    async def work(job: Job) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(3)
                cleaned.append(trio.current_time())

    await scheduler.enqueue("work")
    async with working(scheduler):
        await trio.sleep(5)
    assert cleaned == [8]


async def test_a_swallowed_cancellation_loses_no_task(scheduler: Scheduler) -> None:
    """What it returns does not count; the task goes back."""

    @scheduler.handler("general")
    async def work(job: Job) -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            return

    task = await scheduler.enqueue("work")
    async with working(scheduler):
        await trio.sleep(5)
    assert (await scheduler.get(task)).status is Status.READY


async def test_a_job_that_does_not_stop_is_named(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """After its grace; its lease is not extended any more, so that the task is not lost."""
    begun: list[float] = []

    @scheduler.handler("general", timeout=5, grace=10)
    async def stubborn(job: Job) -> None:
        begun.append(trio.current_time())
        if len(begun) == 1:
            with trio.CancelScope(shield=True):
                await trio.sleep(1_000)

    scheduler.handler("free", concurrency=1)(stubborn)
    task = await scheduler.enqueue("work")
    async with working(scheduler, lease=60):
        await trio.sleep(16)
        (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert "stubborn for 'general' goes on 10 s after it was cancelled" in record.message
        assert task.id in record.message
        await trio.sleep(80)
        assert (await scheduler.get(task)).status is Status.READY
        await trio.sleep(1_000)
    assert (await scheduler.get(task)).status is Status.COMPLETED


async def test_a_closing_scheduler() -> None:
    """The end of its block stops the workers, wherever they run; the task goes back first."""
    long = Long()
    async with trio.open_nursery() as nursery:
        async with open_scheduler(wall_clock=virtual_wall) as scheduler:
            scheduler.handler("general")(long)
            await scheduler.enqueue("work")
            nursery.start_soon(scheduler.run_workers)
            await trio.sleep(5)
            assert long.cancelled == 0
        assert long.cancelled == 1
    with pytest.raises(SchedulerClosed):
        await scheduler.run_workers()


class Odd(BaseException):
    """Of the kind that passes by `except Exception`."""


def raise_odd() -> None:
    raise Odd("odd")


def exit_() -> None:
    raise SystemExit(3)


def cancel_asyncio() -> None:
    raise asyncio.CancelledError


def close() -> None:
    raise GeneratorExit


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (raise_odd, "Odd: odd"),
        (exit_, "called sys.exit(3)"),
        (cancel_asyncio, "CancelledError"),
        (close, "GeneratorExit"),
    ],
)
async def test_what_is_no_exception(
    scheduler: Scheduler, act: Callable[[], None], told: str
) -> None:
    """It fails the task, and the pool goes on."""

    @scheduler.handler("general")
    async def work(job: Job) -> None:
        if job.payload:
            await trio.sleep(1)
            act()

    bad, good = await work_off_many(scheduler)
    assert bad.status is Status.FAILED
    assert told in (bad.error or "")
    assert good.status is Status.COMPLETED


async def work_off_many(scheduler: Scheduler) -> list[Task]:
    made = await scheduler.enqueue_many([TaskSpec("bad", payload=1, max_attempts=1), TaskSpec("x")])
    await scheduler.run_workers(until_idle=True)
    return [await scheduler.get(task) for task in made]


def test_an_interrupt_passes() -> None:
    """It ends the pool as itself; what was in hand goes back, what had ended is told."""
    statuses: list[Status] = []

    async def main() -> None:
        async with open_scheduler(wall_clock=virtual_wall) as scheduler:

            @scheduler.handler("general", concurrency=3)
            async def work(job: Job) -> None:
                if job.task.description == "interrupt":
                    await trio.sleep(5)
                    raise KeyboardInterrupt
                await trio.sleep(job.payload)

            made = [
                await scheduler.enqueue("interrupt"),
                await scheduler.enqueue("short", payload=1),
                await scheduler.enqueue("long", payload=100),
            ]
            try:
                await scheduler.run_workers()
            finally:
                statuses.extend([(await scheduler.get(task)).status for task in made])

    with pytest.raises(KeyboardInterrupt):
        run_on_virtual_time(main)
    assert statuses == [Status.READY, Status.COMPLETED, Status.READY]
