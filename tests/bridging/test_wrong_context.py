"""A handle that is used elsewhere than it belongs says so, and how to mend it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

import scheduler as for_trio
import scheduler.asyncio as for_asyncio
import scheduler.threads as for_threads
from scheduler import InvalidTask, WrongContext
from scheduler.threads import BlockingScheduler


def _in_thread(function: Callable[[], Any]) -> Any:
    """What it returns in a thread that runs no loop, without letting this one's loop go on."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join(30)
    return results[0]


async def _refusal(call: Callable[[], Awaitable[object]]) -> WrongContext:
    with pytest.raises(WrongContext) as caught:
        await call()
    assert caught.value.hint
    return caught.value


def _in_forked_process(function: Callable[[], WrongContext]) -> str:
    """The message of the refusal there."""
    receiving, sending = multiprocessing.Pipe(duplex=False)
    child = os.fork()
    if child == 0:
        try:
            sending.send(function().message)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert receiving.poll(10)
    message: str = receiving.recv()
    return message


async def test_a_trio_handle_in_another_thread() -> None:
    """Under asyncio, under another Trio loop, or under none."""
    async with for_trio.open_scheduler() as scheduler:
        refused = _in_thread(lambda: asyncio.run(_refusal(scheduler.queue_status)))
        assert "asyncio" in refused.message
        assert "scheduler.asyncio" in refused.hint
        refused = _in_thread(lambda: trio.run(_refusal, scheduler.queue_status))
        assert "outside the Trio loop" in refused.message


async def test_a_shared_trio_handle_in_another_thread(tmp_path: Any) -> None:
    """As one of open_scheduler."""
    async with for_trio.connect(tmp_path / "tasks.db") as scheduler:
        refused = _in_thread(lambda: asyncio.run(_refusal(scheduler.queue_status)))
        assert "asyncio" in refused.message


async def test_a_blocking_handle_in_the_loop_of_its_actors() -> None:
    """It would wait for itself."""
    with for_threads.open_scheduler() as scheduler:

        async def job() -> WrongContext:
            with pytest.raises(WrongContext, match="would have to answer") as caught:
                scheduler.queue_status()
            return caught.value

        door: Any = scheduler._handle._door
        assert door.begin(job).result().hint
        scheduler.queue_status()  # from this Trio loop it only blocks


def test_an_asyncio_handle_elsewhere() -> None:
    """In another asyncio loop, under Trio, and without a loop."""

    async def main() -> None:
        async with for_asyncio.open_scheduler() as scheduler:
            refused = _in_thread(lambda: asyncio.run(_refusal(scheduler.queue_status)))
            assert "another asyncio loop" in refused.message
            refused = _in_thread(lambda: trio.run(_refusal, scheduler.queue_status))
            assert "outside its asyncio loop" in refused.message
            with pytest.raises(InvalidTask):
                await scheduler.enqueue("")  # the loop of its own still serves it

    asyncio.run(main())


@pytest.mark.parametrize("name", ["open_scheduler", "connect"])
def test_opening_in_the_wrong_world(name: str, tmp_path: Any) -> None:
    """The names are the same, the modules are not."""

    async def open_it(opening: Any) -> None:
        async with opening(tmp_path / "tasks.db"):
            pass

    with pytest.raises(WrongContext, match="for Trio tasks") as caught:
        asyncio.run(open_it(getattr(for_trio, name)))
    assert "scheduler.asyncio" in str(caught.value.hint)
    with pytest.raises(WrongContext, match="for asyncio tasks") as caught:
        trio.run(open_it, getattr(for_asyncio, name))
    assert caught.value.hint


async def test_serving_a_handle_of_another_world() -> None:
    """Each `serve` takes the handles of its own module."""
    with for_threads.open_scheduler() as blocking:
        with pytest.raises(WrongContext, match="not for Trio tasks"):
            await for_trio.serve(blocking._handle)
        with pytest.raises(WrongContext, match="not for asyncio tasks"):
            await for_asyncio.serve(blocking._handle)
    async with for_trio.open_scheduler() as scheduler:
        not_blocking: Any = scheduler
        with (
            pytest.raises(WrongContext, match="no blocking handle"),
            for_threads.serve(not_blocking),
        ):
            pass


@pytest.mark.process
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_handle_in_a_forked_process() -> None:
    """The actors are not there; the parent goes on."""
    with for_threads.open_scheduler() as scheduler:

        def use() -> WrongContext:
            with pytest.raises(WrongContext) as caught:
                scheduler.queue_status()
            return caught.value

        assert "forked" in _in_forked_process(use)
        scheduler.queue_status()


@pytest.mark.process
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_a_trio_handle_in_a_forked_process() -> None:
    """The same, without a thread between."""

    def use() -> WrongContext:
        try:
            scheduler.queue_status().send(None)
        except WrongContext as error:
            return error
        raise AssertionError("not refused")

    async with for_trio.open_scheduler() as scheduler:
        assert "forked" in _in_forked_process(use)
        await scheduler.queue_status()


@pytest.mark.process
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_leaving_the_block_in_a_forked_process_leaves_the_parent_alone() -> None:
    """The child has no thread to end."""

    def leave() -> WrongContext:
        block.__exit__(None, None, None)
        return WrongContext("left")

    block = for_threads.open_scheduler()
    scheduler: BlockingScheduler = block.__enter__()
    try:
        assert _in_forked_process(leave) == "left"
        scheduler.queue_status()
    finally:
        block.__exit__(None, None, None)
