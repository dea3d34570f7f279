"""One world from its plan: run it, drain it, and tell what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from scheduler import testing
from torture.disk import Disk, Mounted, open_store, raise_mistakes, seed_randomness
from torture.simulation.broken import Broken
from torture.simulation.client import Client
from torture.simulation.draining import drain
from torture.simulation.plan import Plan
from torture.simulation.troubles import Troubles
from torture.simulation.world import World


@dataclass
class Result:
    """What came of a world. `broken` is the promise that did not hold, if one did not."""

    plan: Plan
    digest: str = ""
    lines: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    broken: Broken | None = None


def run_world(plan: Plan, folder: Path, *, keep: bool = False) -> Result:
    """Run a world to its end; all its files are in `folder`. `keep` keeps the whole trace.

    An error that is no broken promise is raised.
    """
    result = Result(plan)
    seed_randomness(plan.seed)
    path = str(folder / "tasks.db")
    with Mounted(Disk(plan.seed)) as mounted:
        if plan.migrated:
            mounted.disk.create(path, _empty_database())
        try:
            testing.run(_live, plan, path, mounted, result, keep, seed=plan.seed)
        except Exception as error:
            result.broken = _broken_in(error)
            if result.broken is None:
                raise
        raise_mistakes()
    return result


async def _live(plan: Plan, path: str, mounted: Mounted, result: Result, keep: bool) -> None:
    world = World(plan, path, mounted, keep=keep)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.lives.run)
            await _stir(world)
            await drain(world)
    finally:
        result.digest = world.trace.digest
        result.lines = list(world.trace.lines)
        result.counts = _counts(world)


async def _stir(world: World) -> None:
    """Clients and troubles, until there were enough steps."""
    troubles = Troubles(world)
    async with trio.open_nursery() as nursery:
        for number in range(world.plan.clients):
            far = world.far_handle(number) if number % 3 == 2 else None
            nursery.start_soon(Client(world, number, far).run)
        nursery.start_soon(troubles.run)
        await world.enough.wait()
        nursery.cancel_scope.cancel()
    troubles.end()


def _counts(world: World) -> Counter[str]:
    counts = Counter(
        steps=world.steps,
        worlds=1,
        lives=world.lives.count,
        kills=world.lives.disk.deaths - world.lives.disk.power_losses,
        power_losses=world.lives.disk.power_losses,
        tasks=len(world.ledger.known),
        forgiven=world.lives.forgiven,
    )
    counts.update(world.ledger.counts)
    counts.update({f"fault_{kind}": count for kind, count in world.faults.items()})
    return counts


def _broken_in(error: BaseException) -> Broken | None:
    """The broken promise in an error, or in a group of them."""
    if isinstance(error, Broken):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = (_broken_in(one) for one in error.exceptions)
        return next((one for one in found if one is not None), None)
    return None


@cache
def _empty_database() -> bytes:
    """A file with all tables, and nothing in them: to make one takes longer than a small world."""
    with TemporaryDirectory() as folder, Mounted(Disk()) as mounted:
        path = f"{folder}/tasks.db"
        open_store(mounted, path).close()
        content = mounted.disk.content(str(Path(path).resolve()))
    assert content is not None
    return content
