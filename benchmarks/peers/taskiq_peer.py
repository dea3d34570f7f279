"""taskiq on a Redis stream, results in Redis: its receiver runs in the loop that enqueues."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from benchmarks.peers.peer import RESULT, Survival, library, rate_async
from benchmarks.peers.servers import IN_REDIS, AppendFsync, redis
from benchmarks.workload import Bench
from scheduler import TaskSpec

AT_ONCE = 100  # tasks that a receiver runs at a time, its own default
PATIENCE = 60.0  # seconds for a result

Work = Callable[[Sequence[TaskSpec]], Awaitable[None]]


class TaskiqPeer:
    """There is no bulk call."""

    def __init__(self, url: str, appendfsync: AppendFsync) -> None:
        self._url = url
        self._library = library("taskiq_redis")
        self._receiver = library("taskiq.api.receiver")
        self._redis = library("redis").Redis.from_url(url)
        self.survival = Survival(*IN_REDIS[appendfsync], "back after a timeout")

    def enqueue_single(self, count: int) -> float:
        async def main() -> float:
            async with self._new() as (_, call):
                return await rate_async(count, lambda specs: _enqueue(call, specs))

        return asyncio.run(main())

    def enqueue_bulk(self, count: int) -> None:
        return None

    def cycle(self, count: int) -> float:
        async def work(call: Any, specs: Sequence[TaskSpec]) -> None:
            sent = await _enqueue(call, specs)
            # Only so many can still be under way when the last one has ended.
            for task in reversed(sent[-2 * AT_ONCE :]):
                await task.wait_result(check_interval=0.001, timeout=PATIENCE)

        async def main() -> float:
            async with self._new() as (broker, call):
                receiver = asyncio.create_task(
                    self._receiver.run_receiver_task(broker, max_async_tasks=AT_ONCE)
                )
                worked = await rate_async(count, lambda specs: work(call, specs))
                receiver.cancel()
                with suppress(asyncio.CancelledError):
                    await receiver
                return worked

        return asyncio.run(main())

    @asynccontextmanager
    async def _new(self) -> AsyncIterator[tuple[Any, Any]]:
        """A broker on an empty Redis, and the call that enqueues."""
        self._redis.flushdb()
        results = self._library.RedisAsyncResultBackend(self._url)
        broker = self._library.RedisStreamBroker(self._url).with_result_backend(results)
        call = broker.register_task(_handle, task_name="handle")
        await broker.startup()
        try:
            yield broker, call
        finally:
            await broker.shutdown()


async def _enqueue(call: Any, specs: Sequence[TaskSpec]) -> list[Any]:
    return [await call.kiq(spec.description, spec.payload) for spec in specs]


async def _handle(description: str, payload: dict[str, Any]) -> dict[str, bool]:
    return RESULT


@contextmanager
def opened(bench: Bench, appendfsync: AppendFsync) -> Iterator[TaskiqPeer]:
    with redis(bench, appendfsync) as url:
        yield TaskiqPeer(url, appendfsync)
