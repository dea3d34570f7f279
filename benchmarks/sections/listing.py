"""What a page of a list costs in a file of a million tasks, for each filter, and of a thousand."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from typing import Any

import trio
from msgspec.structs import replace

from benchmarks.filling import fill
from benchmarks.measuring import Figure, at_most, paired, percentile
from benchmarks.sections.throughput import made
from benchmarks.workload import Bench
from scheduler import Scheduler, Status, Task, open_scheduler
from scheduler.domain import ids

FEW, MANY, MANY_QUICKLY = 1_000, 1_000_000, 20_000  # tasks in the file
CALLS, QUICK_CALLS = 300, 40  # on each file, of which the 99th percentile is taken

Side = tuple[Scheduler, tuple[str | None, ...]]  # with the cursors that the calls begin from

LEASE = {"lease_s": 3600.0, "lease_expires_s": 4e9}
# How often a status stands among a hundred tasks in a row, and what it calls for. None is blocked.
MIX: dict[Status, tuple[int, dict[str, Any]]] = {
    Status.COMPLETED: (84, {"finished_s": 2.0}),
    Status.READY: (4, {"ready_s": 1.0}),
    Status.SCHEDULED: (2, {"not_before_s": 4e9}),
    Status.RUNNING: (6, {"holder": "w", "token": "t", "started_s": 1.0, "attempt": 1} | LEASE),
    Status.FAILED: (3, {"finished_s": 2.0}),
    Status.CANCELLED: (1, {"finished_s": 2.0}),
}
GROUPS = 15  # so that a thousand tasks fill a page of one of them
RARE = "rare"  # the group, agent type and source of a few old tasks
RARE_TASKS = 10

FILTERS: dict[str, dict[str, Any]] = {
    "any task": {},
    "status: frequent": {"status": "completed"},
    "status: one in sixteen": {"status": "running"},
    "status: none": {"status": "blocked"},
    "status: several": {"status": ["ready", "failed"]},
    "status: pending": {"status": "pending"},
    "group: one in fifteen": {"group": "g7"},
    "group: ten old tasks": {"group": RARE},
    "group: none": {"group": "nothing"},
    "agent type: frequent": {"agent_type": "builder"},
    "agent type: ten old tasks": {"agent_type": RARE},
    "source: none": {"source": "agent_planner"},
    "status and group: one in 500": {"status": "failed", "group": "g7"},
    "status and group: ten old tasks": {"status": "completed", "group": RARE},
    "status and agent type: none": {"status": "ready", "agent_type": RARE},
    "all four: none": {"status": "failed", "group": "g7", "agent_type": RARE, "source": "human"},
}


def figures(bench: Bench) -> Iterator[Figure]:
    """A call on one file and the same on the other in turn, from the top and from the middle."""
    many = bench.pick(MANY, MANY_QUICKLY)
    few_path, many_path = bench.new(), bench.new()
    fill(few_path, tasks(FEW))
    fill(many_path, tasks(many))
    measured = trio.run(_measured, bench, many_path, few_path)
    for name, pairs in measured.items():
        measure = f"p99 of a page of {many:,}, {name} / of {FEW:,}"
        yield paired(measure, "s", pairs, at_most(5), at_most(2))


def tasks(count: int) -> Iterator[Task]:
    """Tasks of a file that has been used for long; statuses and groups are scattered over it."""
    statuses = [status for status, (share, _) in MIX.items() for _ in range(share)]
    models = made(1_000)
    for place in range(count):
        rare = RARE if place < RARE_TASKS else None
        status = Status.COMPLETED if rare else statuses[place * 37 % len(statuses)]
        yield replace(
            models[place % len(models)],
            number=place + 1,
            status=status,
            group=rare or f"g{place // 2 % GROUPS}",
            agent_type=rare or "builder",
            requires=(),
            **MIX[status][1],
        )


async def _measured(bench: Bench, many: str, few: str) -> dict[str, list[tuple[float, float]]]:
    """For each filter the pairs of percentiles in seconds: of many tasks, and of few."""
    calls = bench.pick(CALLS, QUICK_CALLS)
    async with open_scheduler(many) as large, open_scheduler(few) as small:
        sides = [(scheduler, await _cursors(scheduler)) for scheduler in (large, small)]
        return {
            name: [await _p99s(sides, where, calls) for _ in range(bench.pairs)]
            for name, where in FILTERS.items()
        }


async def _cursors(scheduler: Scheduler) -> tuple[str | None, ...]:
    """The top of the list, and the middle."""
    return None, ids.encode((await scheduler.queue_status()).total_tasks // 2)


async def _p99s(sides: Sequence[Side], where: dict[str, Any], calls: int) -> tuple[float, float]:
    gc.collect()
    seconds: tuple[list[float], list[float]] = ([], [])
    for place in range(calls):
        for (scheduler, cursors), times in zip(sides, seconds, strict=True):
            began = time.perf_counter()
            await scheduler.list(cursor=cursors[place % 2], **where)
            times.append(time.perf_counter() - began)
    return percentile(seconds[0], 99), percentile(seconds[1], 99)
