"""After the troubles: everything that can run must get finished, in bounded virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import trio

from scheduler.domain.errors import SchedulerClosed, SchedulerError, StoreUnavailable
from scheduler.domain.task import UNFINISHED
from scheduler.handle import Handle
from torture.simulation import autopsy
from torture.simulation.broken import Broken
from torture.simulation.client import Client
from torture.simulation.making import LANES
from torture.simulation.world import World

T = TypeVar("T")

WORKERS = 3
LONGEST = 1_200.0  # virtual seconds: leases of 40, back-offs and starts of 20, a clock of 600


async def drain(world: World) -> None:
    """Let everything be finished, close in order, and look at the file. Raises Broken."""
    world.lives.set_clock(-world.lives.wall_offset)
    before = trio.current_time()
    boss = Client(world, 1_000, None)
    with trio.move_on_after(LONGEST) as scope:
        await _open_lanes(boss)
        async with trio.open_nursery() as nursery:
            for number in range(WORKERS):
                nursery.start_soon(_work, Client(world, 1_001 + number, None))
            await _all_finished(boss)
            nursery.cancel_scope.cancel()
    if scope.cancelled_caught:
        raise Broken("P4", f"not drained after {LONGEST:g} s: {_left(world)}")
    world.trace.add(trio.current_time(), "world", "drained", f"{trio.current_time() - before:g}")
    await _same_picture(boss)
    world.lives.leaving = world.lives.orderly = True
    world.lives.end.set()


async def _open_lanes(boss: Client) -> None:
    for lane in LANES:
        await _insist(boss, partial(Handle.resume, agent_type=lane))
        boss.ledger.lane_doubts[lane] += 1
    await _insist(boss, partial(Handle.set_limit, agent_type="build"))
    await _insist(boss, partial(Handle.set_limit, limit_key="api"))


async def _insist(boss: Client, call: Callable[[Handle], Awaitable[T]]) -> T:
    """Do it again until it is done: the scheduler may be on its way back."""
    while True:
        await boss.reach()
        try:
            return await call(boss.handle)
        except (SchedulerClosed, StoreUnavailable):
            await trio.sleep(0.1)


async def _work(worker: Client) -> None:
    """Claim and complete, until cancelled."""
    while True:
        await worker.reach()
        op = worker.ledger.begin()
        try:
            claims = await worker.handle.claim(worker.name, limit=8, lease=40.0, wait=5.0)
            for claim in claims:
                worker.ledger.holds.granted(claim, op)
        except (SchedulerClosed, StoreUnavailable):
            await trio.sleep(0.1)
            continue
        op = worker.ledger.begin()
        try:
            await worker.complete_all(claims, op)
        except (SchedulerClosed, StoreUnavailable):
            worker.ledger.unknown(op)
        else:
            worker.ledger.done(op)


async def _all_finished(boss: Client) -> None:
    while True:
        status = await _insist(boss, Handle.queue_status)
        if not any(status.counts[one] for one in UNFINISHED):
            return
        await trio.sleep(5.0)


async def _same_picture(boss: Client) -> None:
    """The feed, read from its start, gives each task as it stands; nothing is missing."""
    if boss.world.forgets:
        return
    while True:
        before = boss.since
        op = boss.ledger.begin()
        try:
            await boss.follow(op)
        except SchedulerError as error:
            raise Broken("P6", f"the feed cannot be read: {error!r}") from error
        if boss.since == before:
            break
    body = autopsy.opened(boss.world.lives.disk, boss.world.lives.path)
    assert body is not None
    rows = {number: (row.revision, row.told[0]) for number, row in body.rows.items()}
    if rows != boss.picture:
        different = sorted(rows.items() ^ boss.picture.items())[:4]
        raise Broken("P1", f"the feed does not give what is in the file: {different}")


def _left(world: World) -> str:
    body = autopsy.opened(world.lives.disk, world.lives.path)
    rows = [] if body is None else [row for row in body.rows.values() if row.told[0] in UNFINISHED]
    return f"{len(rows)} left, such as {rows[:3]}"
