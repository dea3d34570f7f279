"""What the handlers cost, without loops, clients and disk, in messages of a Trio channel."""

from __future__ import annotations

import time
from collections.abc import Iterator
from math import inf

import trio

from actors import commands as c
from actors.messages import To
from actors.reply import Reply
from benchmarks.measuring import Figure, at_most, compare
from benchmarks.pipeline import Pipeline, enqueue
from benchmarks.workload import Bench, open_specs, spec
from scheduler import Weights
from scheduler.domain import priority
from scheduler.domain.priority import Facts

LEASE = 300.0  # seconds


def figures(bench: Bench) -> Iterator[Figure]:
    """From one handler to the next by direct calls."""
    yield compare(
        "complete, until 1 dependent can be claimed / message",
        "s",
        release,
        channel_message,
        at_most(20),
        pairs=bench.pairs,
    )
    yield compare(
        "complete, until 100 dependents can be claimed / message",
        "s",
        lambda: release(20, 100),
        channel_message,
        at_most(200),
        pairs=bench.pairs,
        goal=at_most(40),
    )
    yield compare(
        "one priority, with a deadline / message",
        "s",
        score,
        channel_message,
        at_most(2),
        pairs=bench.pairs,
    )


def channel_message(count: int = 20_000) -> float:
    """Seconds for one message between two Trio tasks."""

    async def main() -> float:
        sender, receiver = trio.open_memory_channel[int](inf)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_receive, receiver)
            began = time.perf_counter()
            async with sender:
                for number in range(count):
                    await sender.send(number)
        return (time.perf_counter() - began) / count

    return trio.run(main)


async def _receive(receiver: trio.MemoryReceiveChannel[int]) -> None:
    async for _ in receiver:
        pass


def score(count: int = 100_000) -> float:
    """Seconds for one calculation."""
    facts, weights = Facts(3_600.0, 1e9 + 86_400.0, 7, 100.0, 3), Weights()
    began = time.perf_counter()
    for _ in range(count):
        priority.score(facts, 60.0, 1e9, weights)
    return (time.perf_counter() - began) / count


def release(roots: int = 2_000, dependents: int = 1) -> float:
    """Seconds from a Complete at the prioritizer until the dependents stand in its queue."""
    pipeline = Pipeline()
    specs = open_specs(roots)
    waiting = [spec(place, [root]) for place, root in enumerate(specs) for _ in range(dependents)]
    pipeline.send(To.INGEST, enqueue((*specs, *waiting)))
    pipeline.send(To.PRIORITIZER, c.ClaimReady("worker", None, roots, LEASE, 0.0, Reply()))
    holdings = pipeline.prioritizer.holdings
    completions = [
        c.Complete((c.Finish("complete", task.number, task.token or ""),), Reply())
        for task in holdings.running()
    ]
    began = time.perf_counter()
    for completion in completions:
        pipeline.send(To.PRIORITIZER, completion)
    seconds = time.perf_counter() - began
    assert len(holdings.queue) == roots * dependents
    return seconds / roots
