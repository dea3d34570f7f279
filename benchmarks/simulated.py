"""Workflows through the real scheduler, in simulated time: its clock jumps from event to event."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from trio.testing import MockClock

from benchmarks.recorded import Job
from scheduler import Scheduler, TaskSpec, open_scheduler

START = 1_800_000_000.0  # Unix seconds
PATIENCE = 3_600.0  # simulated seconds that an idle worker waits for work


def with_true_estimates(jobs: Sequence[Job], workers: int) -> float:
    """Seconds from the first claim until the last completion; each task tells how long it takes."""
    (seconds,) = _simulated(jobs, workers, runs=1, told=True)
    return seconds


def without_and_with_learned(jobs: Sequence[Job], workers: int) -> tuple[float, float]:
    """Seconds of two runs, one after the other, in which no task tells how long it takes.

    In the first one all are taken to be equally long; in the second one each as long as the
    tasks of its program were on average, which is what the scheduler has learned by then.
    """
    first, second = _simulated(jobs, workers, runs=2, told=False)
    return first, second


def _simulated(jobs: Sequence[Job], workers: int, runs: int, told: bool) -> list[float]:
    async def main() -> list[float]:
        async with open_scheduler(wall_clock=_wall_clock) as scheduler:
            return [await _run(scheduler, _specs(jobs, told), workers) for _ in range(runs)]

    return trio.run(main, clock=MockClock(autojump_threshold=0))


def _wall_clock() -> float:
    return START + trio.current_time()


def _specs(jobs: Sequence[Job], told: bool) -> list[TaskSpec]:
    specs: dict[str, TaskSpec] = {}
    for job in jobs:
        specs[job.ref] = TaskSpec(
            job.ref,
            agent_type=job.program,
            prerequisites=[specs[ref] for ref in job.prerequisites],
            estimated_duration=job.runtime_s if told else None,
            payload=job.runtime_s,
        )
    return list(specs.values())


async def _run(scheduler: Scheduler, specs: Sequence[TaskSpec], workers: int) -> float:
    tasks = await scheduler.enqueue_many(specs)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(workers):
            nursery.start_soon(_work, scheduler, f"worker-{number}")
        await scheduler.wait(tasks)
        ended = trio.current_time()
        nursery.cancel_scope.cancel()
    return ended - began


async def _work(scheduler: Scheduler, name: str) -> None:
    while True:
        for claim in await scheduler.claim(name, lease=86_400, wait=PATIENCE):
            await trio.sleep(claim.task.payload)
            await scheduler.complete(claim)
