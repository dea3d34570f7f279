"""One commit that takes a whole second, on a disk that is slow anyway: what calls notice of it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator

import trio

from benchmarks.measuring import Figure, Gate, at_most
from benchmarks.slow_disk import slow_store
from benchmarks.workload import Scratch, run, spec
from scheduler import Scheduler

SPIKE, SPIKE_AT = 1.0, 30  # seconds, and which commit takes them
LOOK_ON = 2.0  # seconds
PERIOD = 0.005  # seconds between two calls of a kind
# An answer that tells of changes waits for the commit that holds them; a heartbeat does not.
GATES: dict[str, Gate | None] = {"heartbeat": at_most(0.05), "get": None, "enqueue": None}


def figures(files: Scratch) -> Iterator[Figure]:
    """The longest call of each kind."""
    store = slow_store(files.new(), {SPIKE_AT: SPIKE})
    longest = run(_look_on, store=store)
    assert store.commits > SPIKE_AT
    for call, gate in GATES.items():
        yield Figure(f"{call} beside a commit of 1 s: worst", "s", longest[call], gate=gate)


async def _look_on(scheduler: Scheduler) -> dict[str, float]:
    """Enqueue, read and send heartbeats side by side; the longest call of each, in seconds."""
    task = await scheduler.enqueue(spec(0))
    (claim,) = await scheduler.claim("worker")
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "heartbeat": lambda: scheduler.heartbeat(claim),
        "get": lambda: scheduler.get(task),
        "enqueue": lambda: scheduler.enqueue(spec(1)),
    }
    longest = dict.fromkeys(calls, 0.0)

    async def repeat(name: str) -> None:
        while True:
            began = time.perf_counter()
            await calls[name]()
            longest[name] = max(longest[name], time.perf_counter() - began)
            await trio.sleep(PERIOD)

    async with trio.open_nursery() as nursery:
        for name in calls:
            nursery.start_soon(repeat, name)
        await trio.sleep(LOOK_ON)
        nursery.cancel_scope.cancel()
    return longest
