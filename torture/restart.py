"""Kills the owner of a file with 100,000 unfinished tasks, and times how soon another answers.

In four ways in turn: a new process that starts from nothing, on this file and on an empty one; a
new process that has everything imported already; and a session that shared the file and takes
over. What the first takes more than the second is the recovery, as is nearly all of the third.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import trio

from scheduler import TaskSpec, open_scheduler
from torture.parts import Budget, Outcome, Violation
from torture.processes.running import Processes, processor_seconds
from torture.processes.starting import Starter, starter
from torture.processes.stdio import StdioSession

TASKS, BATCH = 100_000, 10_000
LIMIT = 2.5  # seconds of a processor that has other work, too; alone it takes about one
FRESH, EMPTY, IMPORTED, SHARED = WAYS = (
    "fresh process",
    "fresh process, empty file",
    "imported before",
    "takes over",
)


class Took(NamedTuple):
    """Seconds until the first answer, by the clock and of the processors."""

    clock: float
    processor: float


def run(budget: Budget) -> Outcome:
    """Fill a file, then kill and start until the time is up; each way at least once.

    What is judged are the seconds of the processors: the machine may have other work.
    """
    ends = time.monotonic() + budget.seconds
    full, empty = budget.folder / "full.db", budget.folder / "empty.db"
    trio.run(fill, full, TASKS, random.Random(budget.seed))
    took: dict[str, list[Took]] = {way: [] for way in WAYS}
    with starter() as starting:
        while not took[SHARED] or time.monotonic() < ends:
            for way in WAYS:
                database = empty if way == EMPTY else full
                took[way].append(trio.run(once, starting, database, way))
    outcome = Outcome({"tasks": TASKS, "kills": sum(map(len, took.values()))})
    for way, times in took.items():
        outcome.counts[f"{way}: median s"] = round(median(one.clock for one in times), 3)
        outcome.counts[f"{way}: longest s"] = round(max(one.clock for one in times), 3)
        processor = median(one.processor for one in times)
        outcome.counts[f"{way}: median processor s"] = round(processor, 3)
        if way in (IMPORTED, SHARED) and processor > LIMIT:
            again = f"python -m torture --only restart --seed {budget.seed}"
            what = f"{way}: recovery took {processor:.2f} s of a processor"
            outcome.violations.append(Violation("P9", what, again))
    return outcome


async def fill(database: Path, tasks: int, chance: random.Random) -> None:
    """Unfinished tasks, half of which wait for one or two others of their batch."""
    async with open_scheduler(database, durability="committed") as scheduler:
        for first in range(0, tasks, BATCH):
            await scheduler.enqueue_many(list(_specs(min(BATCH, tasks - first), chance)))


def _specs(tasks: int, chance: random.Random) -> Iterator[TaskSpec]:
    before: list[TaskSpec] = []
    for place in range(tasks):
        needs = chance.sample(before, min(place, chance.choice((0, 0, 1, 2))))
        spec = TaskSpec(f"Step {place}", base_priority=chance.randrange(11), prerequisites=needs)
        before.append(spec)
        yield spec


async def once(starting: Starter, database: Path, way: str) -> Took:
    """Kill an owner that is at work, and wait until another one has answered a call."""
    processes = Processes(starting, database)
    async with processes.session() as (owner, first):
        await work(first)
        assert processes.owner() is owner
        if way != SHARED:
            processes.kill(owner)
            began = time.perf_counter()
            async with processes.session(anew=way != IMPORTED) as (heir, second):
                await work(second)
                return Took(time.perf_counter() - began, processor_seconds(heir))
        async with processes.session() as (heir, second):
            await work(second)
            before = processor_seconds(heir)
            began = time.perf_counter()
            processes.kill(owner)
            await second.call("task_queue_status")
            return Took(time.perf_counter() - began, processor_seconds(heir) - before)


async def work(session: StdioSession) -> None:
    """Greet the server, and change something."""
    await session.start()
    await session.call("task_claim", agent="a", lease_seconds=1)
