"""One commit that takes a whole second, on a slow disk and a fast one: what calls notice of it.

On a fast disk the persister commits on the loop's own thread, and cannot know before that this
commit will be the one: everybody on the loop waits.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator

import trio

from benchmarks.lateness import Lateness, watched
from benchmarks.measuring import Figure, Gate, at_most
from benchmarks.sections.slow_disk import COMMIT, slow_store
from benchmarks.workload import Bench, run, spec
from scheduler import Scheduler

SPIKE, SPIKE_AT = 1.0, 30  # seconds, and which commit takes them
LOOK_ON = 2.0  # seconds
PERIOD = 0.005  # seconds between two calls of a kind
# An answer that tells of changes waits for the commit that holds them; a heartbeat does not.
GATES: dict[str, Gate] = {"heartbeat": at_most(0.05)}


def figures(bench: Bench) -> Iterator[Figure]:
    """The longest call of each kind, and the longest time for which the loop was not there."""
    for disk, commit_seconds, gates in (("slow", COMMIT, GATES), ("fast", 0.0, {})):
        store = slow_store(bench.new(), {SPIKE_AT: SPIKE}, commit_seconds)
        seen: list[Lateness] = []
        longest = run(watched(_look_on, seen), store=store)
        assert store.commits > SPIKE_AT
        for call, seconds in longest.items():
            measure = f"{disk} disk, {call} beside a commit of 1 s: worst"
            yield Figure(measure, "s", seconds, gate=gates.get(call))
        stall = max(seen[0].seconds)
        yield Figure(f"{disk} disk, stall beside a commit of 1 s: worst", "s", stall)


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
            due = time.perf_counter() + PERIOD  # from when on it would have been served
            await trio.sleep(PERIOD)
            await calls[name]()
            longest[name] = max(longest[name], time.perf_counter() - due)

    async with trio.open_nursery() as nursery:
        for name in calls:
            nursery.start_soon(repeat, name)
        await trio.sleep(LOOK_ON)
        nursery.cancel_scope.cancel()
    return longest
