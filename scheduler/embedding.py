"""Opening and closing a scheduler: the store, the actors, the recovery, the orderly end."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from math import inf
from typing import get_args

import trio

from actors.entropy import Entropy
from actors.gate import Gate
from actors.home import must_be_in_trio
from actors.ingest import Ingest
from actors.observer import Observer
from actors.persister import Persister
from actors.prioritizer import Prioritizer
from actors.resolver import Resolver
from actors.system import System
from actors.writer import Place, Writer, at_once, in_thread
from persistence.store import Durability, Store
from scheduler.domain import ids
from scheduler.domain.encoding import number_in
from scheduler.domain.errors import InvalidRequest, StoreUnavailable
from scheduler.domain.priority import SOURCE_SCORES, Weights
from scheduler.embedded import Scheduler
from scheduler.telemetry import logs, metrics


@asynccontextmanager
async def open_scheduler(
    path: str | os.PathLike[str] = ":memory:",
    *,
    durability: Durability = "synced",
    weights: Weights | None = None,
    sources: Mapping[str, float] = SOURCE_SCORES,
    max_unsaved: int = 2_000,
    max_unfinished: int = 1_000_000,
    retention: float = 30 * 86_400.0,
    admission_timeout: float | None = None,
    closing_time: float = 30.0,
    wall_clock: Callable[[], float] = time.time,
    random_bits: Callable[[int], int] | None = None,
    store: Store | None = None,
    timer: Callable[[], float] | None = time.perf_counter,
    place: Place = in_thread,
) -> AsyncIterator[Scheduler]:
    """Open a scheduler on a database file, made if it is not there; ":memory:" keeps nothing.

        async with open_scheduler("tasks.db") as scheduler:
            await scheduler.enqueue("Build the wheel")

    `durability` says what an answer means: "synced" (on the disk), "committed" (survives the
    death of the process), "accepted" (in memory, written behind by up to `max_unsaved`
    changes). `retention` is how many seconds finished tasks are kept. With `admission_timeout`
    a call that finds too much unsaved raises Overloaded after so many seconds; by default it
    waits. `closing_time` is how many seconds the end of the block may take to save what is left,
    if the disk fails. `wall_clock` (Unix seconds), `random_bits`, `store`, `timer` and `place` are
    for tests and simulations. `timer` (seconds) measures commits, of which slow ones go to a
    thread, or to another `place`; None: none is measured and none goes there, so that a run can be
    repeated exactly.

    Leaving the block answers those who wait, saves everything and closes the file. Raises
    StoreLocked, StoreCorrupt, StoreNewer, StoreUnavailable.
    """
    must_be_in_trio()
    _check_options(
        durability, max_unsaved, max_unfinished, retention, admission_timeout, closing_time
    )
    store = store or _open_store(os.fspath(path), durability)
    try:
        gate = Gate(max_unsaved, admission_timeout)
        measure = timer or (lambda: 0.0)
        observer = Observer(measure)
        persister = Persister(store, gate, measure, durability, retention, observer)
        system = System(
            Ingest(random_bits or Entropy()),
            Resolver(weights, sources, max_unfinished),
            Prioritizer(random_bits or Entropy(), weights),
            persister,
            Writer(store, measure, ids.first_at, at_once if timer is None else place),
            gate,
            wall_clock,
            observer,
        )
        with (
            logs.follow(observer),
            metrics.record(observer, lambda: system.counts, store.location),
            _one_error_alone(system),
        ):
            async with trio.open_nursery() as nursery:
                actors = trio.CancelScope()
                await nursery.start(_run, system, actors)
                actors.shield = True  # a cancelled block does not end them before all is saved
                scheduler = Scheduler(system, sources)
                try:
                    yield scheduler
                finally:
                    try:
                        with trio.CancelScope(shield=True):
                            await scheduler.end_workers()
                        await _close(system, closing_time)
                    finally:
                        actors.cancel()
    finally:
        store.close()


def _check_options(
    durability: str,
    max_unsaved: int,
    max_unfinished: int,
    retention: float,
    admission_timeout: float | None,
    closing_time: float,
) -> None:
    levels = get_args(Durability)
    if durability not in levels:
        raise InvalidRequest(
            "durability is unknown",
            field="durability",
            received=str(durability)[:80],
            allowed=", ".join(levels),
        )
    number_in("max_unsaved", max_unsaved, 1, 1_000_000_000, whole=True)
    number_in("max_unfinished", max_unfinished, 1, 1_000_000_000, whole=True)
    number_in("retention", retention, 0, inf)
    number_in("closing_time", closing_time, 0, inf)
    if admission_timeout is not None:
        number_in("admission_timeout", admission_timeout, 0, inf)


def _open_store(path: str, durability: Durability) -> Store:
    if path == ":memory:":
        from persistence.memory import MemoryStore

        return MemoryStore()
    from persistence.sqlite import open_sqlite

    return open_sqlite(path, durability=durability)


async def _run(system: System, scope: trio.CancelScope, task_status: trio.TaskStatus[None]) -> None:
    with scope:
        await system.run(task_status)


async def _close(system: System, closing_time: float) -> None:
    with trio.CancelScope(shield=True, deadline=trio.current_time() + closing_time) as scope:
        await system.close()
    if scope.cancelled_caught and system.unsaved:
        raise StoreUnavailable(
            f"{system.unsaved} changes could not be saved within {closing_time:g} s of closing"
            + ("" if system.trouble is None else f": {system.trouble}"),
            outcome="unknown",
            hint="Mend the disk, then look up what the last calls were to change.",
        )


@contextmanager
def _one_error_alone(system: System) -> Iterator[None]:
    """Let what ended the actors, or else a single error, leave as itself and not in a group."""
    try:
        yield
    except BaseExceptionGroup as group:
        if system.failure is not None:
            raise system.failure from system.failure.__cause__
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from group.exceptions[0].__cause__
