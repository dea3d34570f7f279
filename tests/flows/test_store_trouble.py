"""A store that fails: nothing is lost, nothing expires, and it heals by itself."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from persistence.memory import MemoryStore
from scheduler import (
    LeaseLost,
    Status,
    StoreCorrupt,
    StoreUnavailable,
    TaskSpec,
    open_scheduler,
)
from tests.support.stores import FailingStore, SlowStore, WrappedStore

from .conftest import virtual_wall


async def test_a_hiccup_only_delays_the_answer() -> None:
    """An enqueue that meets a failing store is answered when the store has healed."""
    store = FailingStore(MemoryStore())
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
        store.failing = True
        before = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scheduler.enqueue, "work")
            await trio.sleep(3)
            store.failing = False
        assert 3 <= trio.current_time() - before <= 6
        assert (await scheduler.queue_status()).total_tasks == 1


async def test_a_long_outage_says_that_the_outcome_is_unknown() -> None:
    """After ten seconds the caller hears so; the change is saved later all the same."""
    store = FailingStore(MemoryStore())
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
        task = await scheduler.enqueue("work")
        (claim,) = await scheduler.claim("w")
        store.failing = True
        with pytest.raises(StoreUnavailable) as caught:
            await scheduler.complete(claim, "done")
        assert caught.value.outcome == "unknown"
        store.failing = False
        (ended,) = await scheduler.wait([task])
        assert (ended.status, ended.result) == (Status.COMPLETED, "done")


async def test_reads_go_on_while_the_store_cannot_be_written() -> None:
    """What is saved can be looked at."""
    store = FailingStore(MemoryStore(), ("write", "commit"))
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
        task = await scheduler.enqueue("work")
        store.failing = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scheduler.pause, "builder")
            await trio.sleep(1)
            assert (await scheduler.get(task)).id == task.id
            assert len((await scheduler.list()).tasks) == 1
            assert (await scheduler.queue_status()).total_tasks == 1
            store.failing = False


async def test_reads_do_not_tell_what_may_still_be_lost() -> None:
    """A change that waits for the store is told to nobody, in no form, until it is saved."""
    store = FailingStore(MemoryStore(), ("write", "commit"))
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
        task = await scheduler.enqueue("work", base_priority=1)
        store.failing = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(scheduler.update, task, base_priority=9))
            await trio.sleep(1)
            assert (await scheduler.get(task)).base_priority == 1
            assert (await scheduler.details(task)).task.base_priority == 1
            assert (await scheduler.wait([task], timeout=0))[0].base_priority == 1
            store.failing = False
        assert (await scheduler.get(task)).base_priority == 9


async def test_who_counts_on_a_change_that_is_not_saved_can_wait_for_it() -> None:
    """In accepted mode a task is there from its answer on, also for a wait that ends in vain."""
    store = FailingStore(MemoryStore(), ("write", "commit"))
    async with open_scheduler(
        store=store, durability="accepted", wall_clock=virtual_wall
    ) as scheduler:
        await scheduler.enqueue("before")
        store.failing = True
        task = await scheduler.enqueue("work")
        await trio.sleep(1)
        assert [one.id for one in await scheduler.wait([task], timeout=1)] == [task.id]
        store.failing = False


async def test_an_end_that_is_not_saved_can_be_explained() -> None:
    """No actor holds the task any more, and the record does not know that yet."""
    store = FailingStore(MemoryStore(), ("write", "commit"))
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
        task = await scheduler.enqueue("work")
        (claim,) = await scheduler.claim("w")
        store.failing = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scheduler.complete, claim)
            await trio.sleep(1)
            explanation = await scheduler.explain(task)
            assert explanation.reason == "running: this changes just now"
            store.failing = False
        assert (await scheduler.explain(task)).reason.startswith("completed at")


async def test_a_question_that_was_in_line_when_the_store_failed_is_answered() -> None:
    """It waited for a commit that failed: then what is saved is all there is to say."""
    store = FailingStore(MemoryStore(), ("write", "commit"))
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
        task = await scheduler.enqueue("work")
        before = trio.current_time()

        async def look() -> None:
            assert (await scheduler.details(task)).task.id == task.id
            assert trio.current_time() - before < 0.1
            store.failing = False

        store.failing = True
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(scheduler.pause, "builder")
                nursery.start_soon(look)


async def test_a_claim_with_an_unknown_outcome_goes_back() -> None:
    """The caller got an error, so nobody works on the task: another gets it after the outage."""
    store = FailingStore(MemoryStore())
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
        await scheduler.enqueue("work")
        store.failing = True
        with pytest.raises(StoreUnavailable):
            await scheduler.claim("unlucky")
        store.failing = False
        (claim,) = await scheduler.claim("lucky", wait=30)
        assert claim.task.attempt == 1


async def test_no_lease_expires_during_an_outage() -> None:
    """When the store is back, every lease starts anew; then it expires as always."""
    store = FailingStore(MemoryStore())
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
        await scheduler.enqueue("work")
        (claim,) = await scheduler.claim("w", lease=30)
        store.failing = True
        with pytest.raises(StoreUnavailable):
            await scheduler.pause("builder")
        await trio.sleep(600)
        store.failing = False
        await trio.sleep(20)
        await scheduler.heartbeat(claim)
        await trio.sleep(31)
        with pytest.raises(LeaseLost):
            await scheduler.complete(claim)


async def test_the_gate_holds_enqueues_back_and_lets_completions_pass() -> None:
    """While the store is down new work waits outside, and running work can still be reported."""
    store = FailingStore(MemoryStore())
    async with open_scheduler(
        store=store, wall_clock=virtual_wall, admission_timeout=5
    ) as scheduler:
        await scheduler.enqueue("work")
        (claim,) = await scheduler.claim("w")
        store.failing = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scheduler.complete, claim)
            await trio.sleep(1)
            with pytest.raises(Exception, match="too many changes") as caught:
                await scheduler.enqueue("more")
            assert getattr(caught.value, "code", None) == "overloaded"
            store.failing = False
        await scheduler.enqueue("more")


async def test_unsaved_changes_are_reported_when_closing_fails() -> None:
    """Leaving the block with a dead store raises instead of losing silently."""
    store = FailingStore(MemoryStore())

    async def lose() -> None:
        async with open_scheduler(
            store=store, durability="accepted", wall_clock=virtual_wall
        ) as scheduler:
            store.failing = True
            await scheduler.enqueue_many([TaskSpec("a"), TaskSpec("b")])

    with pytest.raises(StoreUnavailable) as caught:
        await lose()
    assert "2 changes could not be saved" in caught.value.message


async def test_a_question_on_a_slow_disk_waits_for_no_commit_of_nothing() -> None:
    """However long commits take: where nothing is unsaved, an answer needs none."""
    store = SlowStore(MemoryStore(), fsync_seconds=0.02)
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
        task = await scheduler.enqueue("work")
        commits = store.commits
        assert (await scheduler.list()).tasks[0].id == task.id
        assert (await scheduler.get(task)).status is Status.READY
        assert store.commits == commits > 0


class _DamagedStore(WrappedStore):
    """One that turns out to be damaged, when it is told to."""

    damaged = False

    def _pass(self, method: str) -> None:
        if self.damaged and method == "write":
            raise StoreCorrupt("damaged on purpose")


async def test_damage_ends_the_scheduler_with_one_error() -> None:
    """Though several actors are awake when it is met, and each of them ends by it."""
    store = _DamagedStore(MemoryStore())

    async def claim_when_it_is_damaged() -> None:
        async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
            await scheduler.enqueue("work")
            store.damaged = True
            await scheduler.claim("w", lease=5)  # its timer wakes the prioritizer, too

    with pytest.raises(StoreCorrupt, match="on purpose"):
        await claim_when_it_is_damaged()


async def test_a_claim_whose_caller_leaves_during_an_outage_goes_back() -> None:
    """Nobody hears of it any more, so nobody waits for its lease to end."""
    store = FailingStore(MemoryStore())
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
        task = await scheduler.enqueue("work")
        store.failing = True
        with trio.move_on_after(3):
            await scheduler.claim("gone", lease=3_600)
        store.failing = False
        (claim,) = await scheduler.claim("other", wait=60)
        assert (claim.task.id, claim.task.attempt) == (task.id, 1)


async def test_a_large_change_that_fails_is_written_again() -> None:
    """It goes another way to the disk than a small one, and has the same promise."""
    store = FailingStore(MemoryStore(), ["write", "commit"])
    async with open_scheduler(store=store, timer=None, wall_clock=virtual_wall) as scheduler:
        store.failing = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scheduler.pause, "builder")  # so that it is seen to be down
            nursery.start_soon(scheduler.enqueue_many, [TaskSpec(f"{n}") for n in range(400)])
            await trio.sleep(3)
            assert store.inner.load().tasks == []
            store.failing = False
        assert len(store.inner.load().tasks) == 400


async def test_what_needs_the_record_is_refused_while_it_cannot_be_read() -> None:
    """A retry, and the plan of what is not open; both go on afterwards."""
    store = FailingStore(MemoryStore(), ["tasks", "statuses"])
    async with open_scheduler(store=store, wall_clock=virtual_wall) as scheduler:
        task = await scheduler.enqueue("work")
        await scheduler.cancel(task)
        store.failing = True
        with pytest.raises(StoreUnavailable):
            await scheduler.retry(task)
        with pytest.raises(StoreUnavailable):
            await scheduler.execution_plan([task])
        store.failing = False
        assert (await scheduler.execution_plan([task])).batches == ()
        (again,) = await scheduler.retry(task)
        assert again.status is Status.READY
