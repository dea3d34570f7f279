"""Makespans of recorded workflows, in simulated time, against a list schedule by upward rank.

The scheduler runs as it is, with the recorded run times as estimates; only its clock jumps
from event to event. The reference is the textbook's: whenever a worker is free, it takes the
task that heads the longest chain of work (Topcuoglu, Hariri and Wu, 2002).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from pathlib import Path

import msgspec
import trio
from trio.testing import MockClock

from benchmarks.measuring import Figure, at_most, paired
from benchmarks.workload import Bench
from scheduler import Scheduler, TaskSpec, open_scheduler

WORKFLOWS = Path(__file__).parents[1] / "workflows"
WORKERS = (4, 16)
START = 1_800_000_000.0  # Unix seconds
PATIENCE = 3_600.0  # simulated seconds that an idle worker waits for work


class Job(msgspec.Struct):
    """A task that ran, and for how long. Its prerequisites stand before it in the file."""

    ref: str
    runtime_s: float
    prerequisites: list[str]


def figures(_: Bench) -> Iterator[Figure]:
    """A simulation has no noise: one pair each."""
    for file in sorted(WORKFLOWS.glob("*.jsonl")):
        jobs = msgspec.json.Decoder(Job).decode_lines(file.read_bytes())
        for workers in WORKERS:
            measure = f"makespan of {file.stem.split('-')[0]}, {workers} workers / by upward rank"
            pair = simulated(jobs, workers), by_upward_rank(jobs, workers)
            yield paired(measure, "s", [pair], at_most(1.02))


# ------------------------------------------------------------- ours


def simulated(jobs: Sequence[Job], workers: int) -> float:
    """Seconds from the first claim until the last completion."""

    async def main() -> float:
        async with open_scheduler(wall_clock=_simulated_wall) as scheduler:
            tasks = await scheduler.enqueue_many(_specs(jobs))
            began = trio.current_time()
            async with trio.open_nursery() as nursery:
                for number in range(workers):
                    nursery.start_soon(_work, scheduler, f"worker-{number}")
                await scheduler.wait(tasks)
                ended = trio.current_time()
                nursery.cancel_scope.cancel()
            return ended - began

    return trio.run(main, clock=MockClock(autojump_threshold=0))


def _simulated_wall() -> float:
    return START + trio.current_time()


def _specs(jobs: Sequence[Job]) -> list[TaskSpec]:
    specs: dict[str, TaskSpec] = {}
    for job in jobs:
        specs[job.ref] = TaskSpec(
            job.ref,
            prerequisites=[specs[ref] for ref in job.prerequisites],
            estimated_duration=job.runtime_s,
            payload=job.runtime_s,
        )
    return list(specs.values())


async def _work(scheduler: Scheduler, name: str) -> None:
    while True:
        for claim in await scheduler.claim(name, lease=86_400, wait=PATIENCE):
            await trio.sleep(claim.task.payload)
            await scheduler.complete(claim)


# ------------------------------------------------------------- the reference


def by_upward_rank(jobs: Sequence[Job], workers: int) -> float:
    """Seconds of the schedule in which a free worker takes the highest rank that can start."""
    dependents: dict[str, list[Job]] = {job.ref: [] for job in jobs}
    for job in jobs:
        for ref in job.prerequisites:
            dependents[ref].append(job)
    ranks = _upward_ranks(jobs, dependents)
    waits_for = {job.ref: len(job.prerequisites) for job in jobs}
    place = {job.ref: place for place, job in enumerate(jobs)}
    ready = [(-ranks[job.ref], place[job.ref]) for job in jobs if not job.prerequisites]
    ready.sort()
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            _, chosen = heappop(ready)
            heappush(running, (now + jobs[chosen].runtime_s, chosen))
        now = running[0][0]
        while running and running[0][0] == now:
            for dependent in dependents[jobs[heappop(running)[1]].ref]:
                waits_for[dependent.ref] -= 1
                if not waits_for[dependent.ref]:
                    heappush(ready, (-ranks[dependent.ref], place[dependent.ref]))
    return now


def _upward_ranks(jobs: Sequence[Job], dependents: Mapping[str, Sequence[Job]]) -> dict[str, float]:
    """Seconds from the start of each task to the end of the longest chain behind it."""
    ranks: dict[str, float] = {}
    for job in reversed(jobs):
        behind = max((ranks[dependent.ref] for dependent in dependents[job.ref]), default=0.0)
        ranks[job.ref] = job.runtime_s + behind
    return ranks
