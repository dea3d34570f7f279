"""A caller that is the only one about: its commands are handled in its own task."""

from __future__ import annotations

import pytest
import trio

from persistence.memory import MemoryStore
from scheduler import Scheduler, SchedulerClosed, StoreCorrupt, open_scheduler, testing
from tests.support.stores import WrappedStore

from .conftest import virtual_wall


class CountingStore(WrappedStore):
    """Counts its commits."""

    commits = 0

    def _pass(self, method: str) -> None:
        self.commits += method == "commit"


class BreakingStore(WrappedStore):
    """Is found to be corrupt at the next commit, once `broken`."""

    broken = False

    def _pass(self, method: str) -> None:
        if self.broken and method == "commit":
            raise StoreCorrupt("the database is damaged")


async def test_others_run_between_its_calls(scheduler: Scheduler) -> None:
    """Each call is a checkpoint, although nobody need be waited for."""
    turns: list[str] = []

    async def call() -> None:
        for _ in range(5):
            await scheduler.enqueue("work")
            turns.append("caller")

    async def other() -> None:
        for _ in range(5):
            turns.append("other")
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        nursery.start_soon(other)
    assert turns.index("caller") < len(turns) - 1 - turns[::-1].index("other")
    assert "caller,caller,caller" not in ",".join(turns[:8])


async def test_a_cancelled_caller_claims_nothing(scheduler: Scheduler) -> None:
    """Not even if it is alone: the task stays for somebody who can hear of it."""
    task = await scheduler.enqueue("work")
    for _ in range(3):
        with trio.CancelScope() as scope:
            scope.cancel()
            await scheduler.claim("nobody")
        assert scope.cancelled_caught
    assert (await scheduler.get(task)).attempt == 0
    (claim,) = await scheduler.claim("somebody")
    assert claim.task.id == task.id


async def test_an_error_in_a_handler_ends_the_scheduler() -> None:
    """It comes out of the scheduler's block, not out of the call that met it."""
    store = BreakingStore(MemoryStore())

    async def program() -> None:
        async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
            for _ in range(3):
                await scheduler.enqueue("work")  # nobody else calls
            store.broken = True
            for _ in range(2):
                with trio.CancelScope(shield=True), pytest.raises(SchedulerClosed) as closed:
                    await scheduler.enqueue("more")
                assert isinstance(closed.value.__cause__, StoreCorrupt)
            await trio.lowlevel.checkpoint()

    with pytest.raises(StoreCorrupt):
        await program()


@pytest.mark.parametrize("seed", range(4))
def test_a_crowd_shares_its_commits(seed: int) -> None:
    """Also when the last caller of one round is the first of the next."""
    store = CountingStore(MemoryStore())
    rounds, clients = 30, 8

    async def program() -> None:
        async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
            store.commits = 0
            async with trio.open_nursery() as nursery:
                for _ in range(clients):
                    nursery.start_soon(call, scheduler)

    async def call(scheduler: Scheduler) -> None:
        for _ in range(rounds):
            await scheduler.enqueue("work")

    testing.run(program, seed=seed)
    assert store.commits <= rounds + 2
