"""Events and traces in asyncio programs and in threads."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path

import pytest

import scheduler.asyncio as for_asyncio
import scheduler.threads as for_threads
from scheduler import Event, WrongContext


def test_an_asyncio_program_hears_in_its_own_loop() -> None:
    """In order; the callback may make asyncio tasks."""

    async def main() -> list[str]:
        heard: asyncio.Queue[Event] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def hear(event: Event) -> None:
            assert asyncio.get_running_loop() is loop
            heard.put_nowait(event)

        async with for_asyncio.open_scheduler() as scheduler:
            with scheduler.on_event(hear):
                await scheduler.enqueue("Build")
                return [(await heard.get()).kind for _ in range(3)]

    assert asyncio.run(main()) == ["enqueued", "ready", "committed"]


def test_an_asyncio_callback_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """By its name, and the calls of the program go on."""

    def stumble(event: Event) -> None:
        raise LookupError(event.kind)

    async def main() -> None:
        async with for_asyncio.open_scheduler() as scheduler:
            scheduler.on_event(stumble)
            task = await scheduler.enqueue("Build")
            assert (await scheduler.get(task)).summary == "Build"

    asyncio.run(main())
    records = [record for record in caplog.records if record.name == "headrace.events"]
    assert [r.getMessage().split()[-1] for r in records] == ["enqueued", "ready", "committed"]
    assert all(stumble.__qualname__ in record.getMessage() for record in records)
    assert all(record.levelno == logging.WARNING for record in records)


def test_a_program_of_threads_hears_in_the_thread_of_the_actors() -> None:
    """Before its call returns."""
    heard: list[tuple[str, int]] = []
    with for_threads.open_scheduler() as scheduler:
        with scheduler.on_event(lambda event: heard.append((event.kind, threading.get_ident()))):
            scheduler.enqueue("Build")
            assert [kind for kind, _ in heard] == ["enqueued", "ready", "committed"]
        scheduler.enqueue("Not heard")
    assert len(heard) == 3
    assert threading.get_ident() not in {thread for _, thread in heard}


def test_a_guest_is_sent_to_the_change_feed(tmp_path: Path) -> None:
    """In every world."""
    path = tmp_path / "tasks.db"
    with for_threads.connect(path), for_threads.connect(path) as guest:
        with pytest.raises(WrongContext) as raised:
            guest.on_event(print)
        assert "changes()" in (raised.value.hint or "")
