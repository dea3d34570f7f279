"""Tasks a second through handlers, from the enqueue to the acknowledged end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import by_hand
from benchmarks.measuring import Figure, at_least, compare
from benchmarks.workload import Bench, open_specs, run
from scheduler import BlockingJob, Job, Scheduler

TASKS = 5_000
BATCH = 1_000
CONCURRENCY = 64
RESULT = {"ok": True}

Register = Callable[[Scheduler], None]


async def _coroutine(job: Job) -> dict[str, bool]:
    return RESULT


def _function(job: BlockingJob) -> dict[str, bool]:
    return RESULT


def in_trio(scheduler: Scheduler) -> None:
    """A coroutine function in the loop of the actors."""
    scheduler.handler("builder", concurrency=CONCURRENCY)(_coroutine)


def in_asyncio(scheduler: Scheduler) -> None:
    """The same as an asyncio task, through trio-asyncio."""
    scheduler.handler("builder", concurrency=CONCURRENCY, kind="asyncio")(_coroutine)


def in_asyncio_thread(scheduler: Scheduler) -> None:
    """The same in an asyncio loop of another thread."""
    scheduler.handler("builder", concurrency=CONCURRENCY, kind="asyncio", own_thread=True)(
        _coroutine
    )


def in_threads(scheduler: Scheduler) -> None:
    """A plain function, in a thread for each job."""
    scheduler.handler("builder", concurrency=CONCURRENCY)(_function)


async def work_off(scheduler: Scheduler, register: Register, tasks: int) -> float:
    """Enqueue by 1,000, then run until idle: every answer is as safe as the file makes it."""
    register(scheduler)
    specs = open_specs(tasks)
    began = time.perf_counter()
    for start in range(0, tasks, BATCH):
        await scheduler.enqueue_many(specs[start : start + BATCH])
    await scheduler.run_workers(until_idle=True)
    return tasks / (time.perf_counter() - began)


def rate(bench: Bench, register: Register, tasks: int) -> float:
    """Tasks a second, in a new file."""
    return run(partial(work_off, register=register, tasks=tasks), bench.new())


def figures(bench: Bench) -> Iterator[Figure]:
    """Handlers that do nothing, 64 at a time; the first against SQLite by hand."""
    tasks = bench.pick(TASKS, TASKS // 5)
    yield compare(
        "no-op Trio handler, whole life / by hand, by 1",
        "/s",
        lambda: rate(bench, in_trio, tasks),
        lambda: by_hand.work_through(bench.new(), open_specs(tasks // 10)),
        at_least(3),
        pairs=bench.pairs,
    )
    for measure, register, gate in (
        ("no-op asyncio handler / Trio handler", in_asyncio, at_least(0.5)),
        ("no-op asyncio handler, own thread / Trio handler", in_asyncio_thread, None),
        ("no-op function in threads / Trio handler", in_threads, at_least(0.3)),
    ):
        yield compare(
            measure,
            "/s",
            partial(rate, bench, register, tasks),
            partial(rate, bench, in_trio, tasks),
            gate,
            pairs=bench.pick(3, 1),
        )
