"""An asyncio program that embeds the scheduler, on real files."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from persistence.memory import MemoryStore
from scheduler import (
    InvalidRequest,
    LeaseLost,
    SchedulerClosed,
    StoreLocked,
    TaskSpec,
)
from scheduler.asyncio import Scheduler, connect, open_scheduler, serve
from scheduler.bridging import asyncio_door
from scheduler.bridging.asyncio_door import AsyncioDoor
from tests.support.stores import WrappedStore

Use = Callable[[Scheduler], Awaitable[None]]


def with_scheduler(use: Use, path: Path | None = None) -> None:
    """Let an asyncio program use a scheduler."""

    async def main() -> None:
        async with open_scheduler(path or ":memory:") as scheduler:
            await use(scheduler)

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_life_of_tasks_on_a_file(tmp_path: Path) -> None:
    """Enqueue, claim, heartbeat, complete, and find it all after a restart."""

    async def first(scheduler: Scheduler) -> None:
        build, test = await scheduler.enqueue_many(
            [spec := TaskSpec("Build"), TaskSpec("Test", prerequisites=[spec])]
        )
        [claim] = await scheduler.claim("w", limit=5)
        assert claim.task.id == build.id
        await scheduler.heartbeat(claim, progress=0.5)
        ended = await scheduler.complete(claim, {"ok": True})
        assert ended.released == (test.id,)

    async def second(scheduler: Scheduler) -> None:
        [claim] = await scheduler.claim("w")
        assert list(claim.results.values()) == [{"ok": True}]

    with_scheduler(first, tmp_path / "tasks.db")
    with_scheduler(second, tmp_path / "tasks.db")


def test_many_tasks_of_the_loop_ask_at_the_same_time() -> None:
    """Each gets its own answer."""

    async def use(scheduler: Scheduler) -> None:
        made = await asyncio.gather(*(scheduler.enqueue(f"{n}") for n in range(500)))
        assert [task.description for task in made] == [f"{n}" for n in range(500)]
        claims = await asyncio.gather(*(scheduler.claim("w", limit=5) for _ in range(100)))
        assert len({claim.task.id for granted in claims for claim in granted}) == 500

    with_scheduler(use)


def test_errors_come_across_as_they_are() -> None:
    """Their type, their facts, and where they were raised."""

    async def use(scheduler: Scheduler) -> None:
        task = await scheduler.enqueue("A task")
        with pytest.raises(LeaseLost) as caught:
            await scheduler.heartbeat((task.id, "0" * 32))
        assert caught.value.hint
        with pytest.raises(InvalidRequest, match="limit"):
            await scheduler.claim("w", limit=0)

    with_scheduler(use)


def test_changes_are_an_asynchronous_loop() -> None:
    """It can be left at any point."""

    async def use(scheduler: Scheduler) -> None:
        feed = scheduler.changes(since=0)
        await scheduler.enqueue("A task")
        async for change in feed:
            assert change.task.description == "A task"
            break

    with_scheduler(use)


def test_a_claim_that_is_left_lets_the_next_one_have_the_task() -> None:
    """A waiting claim whose asyncio task was cancelled is granted nothing."""

    async def use(scheduler: Scheduler) -> None:
        waiting = asyncio.create_task(scheduler.claim("gone", wait=60))
        await scheduler.flush()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await scheduler.enqueue("A task")
        assert len(await scheduler.claim("next")) == 1

    with_scheduler(use)


def test_cancellation_at_any_turn_loses_no_claim() -> None:
    """In whatever order it meets the answer: the claim is heard, or claimable at once."""
    heard = left = 0

    async def use(scheduler: Scheduler) -> None:
        nonlocal heard, left
        for turns in range(60):
            await scheduler.enqueue("A task")
            waiting = asyncio.create_task(scheduler.claim("gone"))
            await _turns(turns)
            waiting.cancel()
            try:
                claims = await waiting
                heard += 1
            except asyncio.CancelledError:
                claims = await scheduler.claim("next", wait=20)
                left += 1
            assert len(claims) == 1
            await scheduler.complete(claims[0])

    with_scheduler(use)
    assert left > 0
    assert heard > 0


async def _turns(count: int) -> None:
    """So many turns of the loop, each a little longer: the other thread works meanwhile."""
    for _ in range(count):
        await asyncio.sleep(0)
        time.sleep(0.0001)  # noqa: ASYNC251 - it holds the loop, not the actors


def test_a_claim_cancelled_after_its_answer_came_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The future has its result, and the task that waits for it has not gone on yet."""
    settle = asyncio_door._settle

    async def use(scheduler: Scheduler) -> None:
        await scheduler.enqueue("A task")
        waiting = asyncio.create_task(scheduler.claim("gone"))

        def settle_and_cancel(*arguments: Any) -> None:
            settle(*arguments)
            waiting.cancel()

        with monkeypatch.context() as patched:
            patched.setattr(asyncio_door, "_settle", settle_and_cancel)
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert len(await scheduler.claim("next", wait=20)) == 1

    with_scheduler(use)


def test_two_programs_share_a_file(tmp_path: Path) -> None:
    """One serves it; the other connects, and is the same kind of handle."""

    async def owner() -> None:
        async with open_scheduler(path) as scheduler:
            started = asyncio.Event()
            server = asyncio.create_task(serve(scheduler, started=started))
            await started.wait()
            await asyncio.to_thread(asyncio.run, other())
            assert len(await scheduler.claim("w", limit=5)) == 1
        with pytest.raises(SchedulerClosed):
            await server

    async def other() -> None:
        async with connect(path) as scheduler:
            await scheduler.enqueue("From outside")
            waiting = asyncio.create_task(scheduler.claim("gone", ["nobody"], wait=60))
            await scheduler.flush()
            waiting.cancel()
            with pytest.raises(InvalidRequest, match="no file of its own"):
                await serve(scheduler)

    path = tmp_path / "tasks.db"
    asyncio.run(asyncio.wait_for(owner(), 30))


def test_trouble_at_opening_is_raised_and_leaves_no_thread(tmp_path: Path) -> None:
    """As itself."""

    async def main() -> None:
        async with open_scheduler(tmp_path / "tasks.db"):
            with pytest.raises(StoreLocked):
                async with open_scheduler(tmp_path / "tasks.db"):
                    pass
            assert _trio_threads() == 1

    asyncio.run(main())
    assert _trio_threads() == 0


def _trio_threads() -> int:
    return sum(thread.name == "headrace-trio" for thread in threading.enumerate())


def test_the_actors_end_with_the_block_whatever_ends_it() -> None:
    """An error of the block, or its cancellation."""

    async def main() -> None:
        async with open_scheduler() as scheduler:
            await scheduler.enqueue("A task")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())

    async def cancelled() -> None:
        async with asyncio.timeout(0.05):
            async with open_scheduler() as scheduler:
                await scheduler.claim("w", wait=60)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
    assert _trio_threads() == 0


class CrashingStore(WrappedStore):
    """Commits raise what no store should."""

    def _pass(self, method: str) -> None:
        if method == "commit":
            raise ZeroDivisionError("a bug")


def test_a_crash_of_the_actors_ends_the_block() -> None:
    """Calls under way are told of it, what else the block waits for is cancelled."""
    told: list[BaseException] = []

    async def main() -> None:
        async with open_scheduler(store=CrashingStore(MemoryStore())) as scheduler:
            try:
                await scheduler.enqueue("A task")
            except SchedulerClosed as error:
                told.append(error)
            await asyncio.sleep(60)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert isinstance(told[0].__cause__, ZeroDivisionError)


def test_a_crash_that_the_block_ignores_is_told_to_every_call() -> None:
    """And raised at its end."""

    async def main() -> None:
        async with open_scheduler(store=CrashingStore(MemoryStore())) as scheduler:
            for _ in range(3):
                try:
                    await scheduler.enqueue("A task")
                    await asyncio.sleep(60)
                except (SchedulerClosed, asyncio.CancelledError):
                    await asyncio.sleep(0)
            with pytest.raises(SchedulerClosed) as caught:
                await scheduler.enqueue("A task")
            assert isinstance(caught.value.__cause__, ZeroDivisionError)

    async def outer() -> None:
        with pytest.raises(ZeroDivisionError):
            await main()
        await asyncio.sleep(0)  # no cancellation is left over
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    asyncio.run(outer())


def test_cancelling_what_runs_in_trio_waits_for_its_end() -> None:
    """It has tidied up when the cancellation is raised; its own error has precedence."""
    story: list[str] = []

    async def job() -> None:
        try:
            story.append("began")
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.01)
            story.append("ended")

    async def failing() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ZeroDivisionError

    async def use(scheduler: Scheduler) -> None:
        door = scheduler._door
        assert isinstance(door, AsyncioDoor)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await door.run_in_trio(job)
        assert story == ["began", "ended"]
        running = asyncio.create_task(door.run_in_trio(failing))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(ZeroDivisionError):
            await running

    with_scheduler(use)
