"""Tasks a second where an answer need not survive a loss of power: `committed` and `accepted`.

Each reference keeps as much: SQLite by hand with synchronous = NORMAL, and litequeue, which works
the same way.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial

import trio

from benchmarks import by_hand
from benchmarks.measuring import Figure, Side, at_least, compare
from benchmarks.peers.litequeue_peer import LiteQueuePeer
from benchmarks.peers.peer import Missing
from benchmarks.sections.throughput import BATCH, CLIENTS, alone, at_once, in_cycles, made
from benchmarks.workload import Bench, open_specs, run
from scheduler import Scheduler, TaskSpec

SINGLES = 4_000

Enqueueing = Callable[[Scheduler, int], Awaitable[float]]


async def one_by_one(scheduler: Scheduler, tasks: int = 2_560) -> float:
    """64 workers, each enqueues a task, claims one and completes it, again and again."""
    specs = open_specs(tasks)
    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for worker in range(CLIENTS):
            nursery.start_soon(_live, scheduler, specs[worker::CLIENTS])
    return tasks / (time.perf_counter() - began)


async def _live(scheduler: Scheduler, specs: Sequence[TaskSpec]) -> None:
    for spec in specs:
        await scheduler.enqueue(spec)
        (claim,) = await scheduler.claim("worker")
        await scheduler.complete(claim, {"ok": True})


def figures(bench: Bench) -> Iterator[Figure]:
    """One caller, many, whole lives of tasks; on the same disk in turn with the reference."""
    singles, batched = bench.pick(SINGLES, 400), bench.pick(10_000, 2_000)
    yield compare(
        "enqueue, 1 client, committed / one INSERT a commit, NORMAL",
        "/s",
        lambda: run(lambda s: alone(s, singles), bench.new(), durability="committed"),
        lambda: by_hand.insert_each(bench.new(), open_specs(singles), synchronous="NORMAL"),
        at_least(0.15),
        pairs=bench.pairs,
        goal=at_least(0.4),
    )
    for measure, work, count, bound in (
        ("64 clients", at_once, bench.pick(15_000, 640), 0.22),
        ("1 client", alone, singles, 0.12),
    ):
        yield compare(
            f"enqueue, {measure}, accepted / executemany, NORMAL",
            "/s",
            partial(_accepted, bench, work, count),
            lambda: by_hand.executemany(bench.new(), made(batched), BATCH, synchronous="NORMAL"),
            at_least(bound),
            pairs=bench.pairs,
            goal=at_least(0.3),
        )
    lives = bench.pick(2_560, 320)
    yield compare(
        "lives one by one, 64 workers, committed / by hand, NORMAL",
        "/s",
        lambda: run(lambda s: one_by_one(s, lives), bench.new(), durability="committed"),
        lambda: by_hand.work_through(bench.new(), open_specs(lives), synchronous="NORMAL"),
        at_least(0.6),
        pairs=bench.pairs,
        goal=at_least(1),
    )
    try:
        peer = LiteQueuePeer(bench)
    except Missing:
        return  # it needs Python 3.12
    yield compare(
        "lives by 100, committed / litequeue, by 1",
        "/s",
        lambda: run(
            lambda s: in_cycles(s, lives // 100 * 100), bench.new(), durability="committed"
        ),
        _cycle(peer, lives),
        at_least(3),
        pairs=bench.pairs,
        goal=at_least(6),
    )


def _accepted(bench: Bench, work: Enqueueing, tasks: int) -> float:
    return run(lambda scheduler: work(scheduler, tasks), bench.new(), durability="accepted")


def _cycle(peer: LiteQueuePeer, tasks: int) -> Side:
    return lambda: peer.cycle(tasks)
