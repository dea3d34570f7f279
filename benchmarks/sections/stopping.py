"""How soon a job hears that its task was cancelled."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from statistics import median

import trio

from benchmarks.measuring import Figure, at_most
from benchmarks.workload import Bench, run
from scheduler import Job, Scheduler

TIMES = 50
GRACE = 1.0  # seconds
DEAF = "trap '' TERM; echo $$ > {file}; while :; do sleep 0.05; done"


@asynccontextmanager
async def _working(scheduler: Scheduler) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scheduler.run_workers)
        yield
        nursery.cancel_scope.cancel()


async def trio_handler(scheduler: Scheduler) -> float:
    """Seconds from the call of cancel until the handler's scope is cancelled; the median."""
    begun, told = trio.open_memory_channel[None](1), trio.open_memory_channel[float](1)

    @scheduler.handler("general")
    async def wait(job: Job) -> None:
        begun[0].send_nowait(None)
        try:
            await trio.sleep_forever()
        finally:
            told[0].send_nowait(time.perf_counter())

    seconds: list[float] = []
    async with _working(scheduler):
        for _ in range(TIMES):
            task = await scheduler.enqueue("wait")
            await begun[1].receive()
            called = time.perf_counter()
            await scheduler.cancel(task)
            seconds.append(await told[1].receive() - called)
    return median(seconds)


async def deaf_subprocess(scheduler: Scheduler, file: str) -> float:
    """Seconds from the call of cancel until a command that ignores SIGTERM is gone."""
    scheduler.handler("general", run=["sh", "-c", DEAF.format(file=file)], grace=GRACE)
    async with _working(scheduler):
        task = await scheduler.enqueue("wait")
        while not (os.path.exists(file) and os.path.getsize(file)):  # noqa: ASYNC110, ASYNC240
            await trio.sleep(0.01)
        with open(file) as written:  # noqa: ASYNC230
            command = int(written.read())
        called = time.perf_counter()
        await scheduler.cancel(task)
        while _lives(command):  # noqa: ASYNC110
            await trio.sleep(0.005)
        return time.perf_counter() - called


def _lives(command: int) -> bool:
    try:
        os.kill(command, 0)
    except ProcessLookupError:
        return False
    return True


def figures(bench: Bench) -> Iterator[Figure]:
    """Of jobs of one scheduler on a `synced` file."""
    yield Figure("cancel until its Trio handler is told", "s", run(trio_handler, bench.new()))
    yield Figure(
        f"cancel until a deaf subprocess is gone, grace {GRACE:g} s",
        "s",
        run(partial(deaf_subprocess, file=bench.new() + ".pid"), bench.new()),
        gate=at_most(GRACE + 1.0),
    )
