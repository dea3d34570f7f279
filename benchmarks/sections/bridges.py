"""What a call from an asyncio task, or from a thread, costs on top of the same call in Trio.

The reference is the call of a coroutine function that does nothing, through anyio's portal
into a Trio loop of another thread: what crossing between two loops costs at the least.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import trio
from anyio.from_thread import start_blocking_portal

import scheduler
import scheduler.asyncio
import scheduler.threads
from benchmarks.measuring import Figure, at_most, once, paired
from benchmarks.workload import Bench

CALLS = 2_000  # one after the other, for one value


def figures(bench: Bench) -> Iterator[Figure]:
    """One call of a scheduler in memory, that reads what the actors know."""
    for world, side in (("an asyncio task", _in_asyncio), ("a thread", _in_thread)):
        yield paired(
            f"call from {world}, on top of Trio's / no-op through a portal",
            "s",
            [(once(side) - once(_in_trio), once(_through_portal)) for _ in range(bench.pairs)],
            at_most(2),
        )


def _in_trio() -> float:
    async def main() -> float:
        async with scheduler.open_scheduler() as opened:
            return await _seconds(opened.queue_status)

    return trio.run(main)


def _in_asyncio() -> float:
    async def main() -> float:
        async with scheduler.asyncio.open_scheduler() as opened:
            return await _seconds(opened.queue_status)

    return asyncio.run(main())


def _in_thread() -> float:
    with scheduler.threads.open_scheduler() as opened:
        return _seconds_blocking(opened.queue_status)


def _through_portal() -> float:
    with start_blocking_portal(backend="trio") as portal:
        return _seconds_blocking(lambda: portal.call(_nothing))


async def _nothing() -> None:
    pass


async def _seconds(call: Callable[[], Awaitable[object]]) -> float:
    """For one call."""
    began = time.perf_counter()
    for _ in range(CALLS):
        await call()
    return (time.perf_counter() - began) / CALLS


def _seconds_blocking(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - began) / CALLS
