"""procrastinate on PostgreSQL, which syncs each commit: jobs in a table, taken by its worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from benchmarks.peers.peer import ALL, RESULT, Survival, batches, library, rate_async
from benchmarks.peers.servers import postgres
from benchmarks.workload import Bench
from scheduler import TaskSpec

AT_ONCE = 10  # jobs that the worker runs at a time
EMPTY = "TRUNCATE procrastinate_jobs CASCADE"


class ProcrastinatePeer:
    """All jobs are enqueued, and then worked off. A result has no place."""

    survival = Survival(ALL, ALL, "back on request")

    def __init__(self, url: str) -> None:
        self._library = library("procrastinate")
        self._connector = library("procrastinate.psycopg_connector")
        self._url = url
        self._has_schema = False

    def enqueue_single(self, count: int) -> float:
        async def main() -> float:
            async with self._new() as (_, call):
                return await rate_async(count, lambda specs: _enqueue(call, specs))

        return asyncio.run(main())

    def enqueue_bulk(self, count: int) -> float:
        async def enqueue(call: Any, specs: Sequence[TaskSpec]) -> None:
            for batch in batches(specs):
                await call.batch_defer_async(*map(_arguments, batch))

        async def main() -> float:
            async with self._new() as (_, call):
                return await rate_async(count, lambda specs: enqueue(call, specs))

        return asyncio.run(main())

    def cycle(self, count: int) -> float:
        async def main() -> float:
            async with self._new() as (app, call):

                async def work(specs: Sequence[TaskSpec]) -> None:
                    await _enqueue(call, specs)
                    await app.run_worker_async(
                        wait=False, concurrency=AT_ONCE, install_signal_handlers=False
                    )

                worked = await rate_async(count, work)
                jobs = await app.job_manager.list_jobs_async(status="succeeded")
                assert len(list(jobs)) == count
                return worked

        return asyncio.run(main())

    @asynccontextmanager
    async def _new(self) -> AsyncIterator[tuple[Any, Any]]:
        """An app on an empty table, and its one task."""
        app = self._library.App(connector=self._connector.PsycopgConnector(conninfo=self._url))
        call = app.task(_handle, name="handle")
        async with app.open_async():
            if not self._has_schema:
                await app.schema_manager.apply_schema_async()
                self._has_schema = True
            await app.connector.execute_query_async(EMPTY)
            yield app, call


async def _enqueue(call: Any, specs: Sequence[TaskSpec]) -> None:
    for spec in specs:
        await call.defer_async(**_arguments(spec))


def _arguments(spec: TaskSpec) -> dict[str, object]:
    return {"description": spec.description, "payload": spec.payload}


async def _handle(description: str, payload: dict[str, Any]) -> dict[str, bool]:
    return RESULT


@contextmanager
def opened(bench: Bench) -> Iterator[ProcrastinatePeer]:
    library("procrastinate")
    with postgres(bench) as url:
        yield ProcrastinatePeer(url)
