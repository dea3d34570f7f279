"""How listeners are called, and what they cannot break."""

from __future__ import annotations

import logging
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.observer import Observer
from scheduler import Event, InvalidRequest, Scheduler, StoreUp, WrongContext, connect, testing
from scheduler.embedding import open_scheduler

EVENT = StoreUp(0.0)


def _fails(event: Event) -> None:
    raise LookupError(event.kind)


async def _cannot(event: Event) -> None:
    pass


async def test_a_callback_that_raises_is_logged_by_name(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """And the scheduler, and the next listener, live on."""
    heard: list[Event] = []
    scheduler.on_event(_fails)
    scheduler.on_event(heard.append)
    task = await scheduler.enqueue("Build")
    assert (await scheduler.get(task)).summary == "Build"
    assert heard
    records = [r for r in caplog.records if r.name == "headrace.events"]
    assert len(records) == len(heard)
    assert all(r.levelno == logging.WARNING and r.exc_info for r in records)
    assert "test_listeners._fails raised at enqueued" in records[0].getMessage()


async def test_a_listener_stops(scheduler: Scheduler) -> None:
    """With its block, by `stop`, and in the middle of what it is told."""
    inside: list[Event] = []
    with scheduler.on_event(inside.append) as listener:
        await scheduler.enqueue("One")
    listener.stop()
    once: list[Event] = []

    def stop_at_first(event: Event) -> None:
        once.append(event)
        stopping.stop()

    stopping = scheduler.on_event(stop_at_first)
    count = len(inside)
    await scheduler.enqueue("Two")
    assert (len(inside), len(once)) == (count, 1)


async def test_a_callback_may_start_calls_in_a_nursery(scheduler: Scheduler) -> None:
    """It cannot await, but hand work on."""
    async with trio.open_nursery() as nursery:

        def follow_up(event: Event) -> None:
            if event.kind == "completed":
                nursery.start_soon(partial(scheduler.enqueue, "Follow up"))

        with scheduler.on_event(follow_up):
            await scheduler.enqueue("First")
            await scheduler.complete((await scheduler.claim("w"))[0])
    assert [t.summary for t in (await scheduler.list(status="ready")).tasks] == ["Follow up"]


@pytest.mark.parametrize("wrong", [_cannot, partial(_cannot), "print", None])
async def test_what_cannot_be_called_is_refused(scheduler: Scheduler, wrong: Any) -> None:
    """With the way out."""
    with pytest.raises(InvalidRequest, match="callback is") as raised:
        scheduler.on_event(wrong)
    assert raised.value.field == "callback"
    assert "send_nowait" in (raised.value.hint or "")


async def test_without_listeners_nothing_is_made(scheduler: Scheduler) -> None:
    """The persister asks one flag, which a listener raises and the last one lowers."""
    observer = scheduler._door.observer  # type: ignore[attr-defined]
    assert not observer.hears_all
    with scheduler.on_event(print), scheduler.on_event(print):
        assert observer.hears_all
    assert not observer.hears_all


def test_a_slow_listener_is_reported_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """With its name and how long it took."""
    now = 1_000.0

    def slow(event: Event) -> None:
        nonlocal now
        now += 0.25

    observer = Observer(lambda: now)
    observer.add(slow)
    for _ in range(3):
        observer.tell([EVENT])
    assert [r.getMessage() for r in caplog.records] == [
        f"{__name__}.{slow.__qualname__} held up the loop for 250 ms"
    ]
    now += 60
    observer.tell([EVENT])
    assert len(caplog.records) == 2


def test_what_was_carried_away_is_not_told_after_stop() -> None:
    """A listener in another loop hears nothing once it has stopped."""
    heard: list[Event] = []
    calls: list[Any] = []
    observer = Observer(time.monotonic)
    listener = observer.add(heard.append, carry=calls.append)
    observer.tell([EVENT])
    assert heard == []
    calls.pop()()
    assert heard == [EVENT]
    observer.tell([EVENT])
    listener.stop()
    calls.pop()()
    assert heard == [EVENT]


async def test_the_owner_of_a_shared_file_hears_and_others_are_told_where(tmp_path: Path) -> None:
    """A guest is sent to `changes`."""
    path = tmp_path / "tasks.db"
    heard: list[Event] = []
    async with connect(path) as owner, connect(path) as guest:
        with pytest.raises(WrongContext) as raised:
            guest.on_event(print)
        assert "changes()" in (raised.value.hint or "")
        with owner.on_event(heard.append):
            await guest.enqueue("Build")
    assert [event.kind for event in heard][:2] == ["enqueued", "ready"]


async def test_a_real_file_tells_what_a_commit_costs(tmp_path: Path) -> None:
    """In seconds of the real clock."""
    heard: list[Any] = []
    async with open_scheduler(tmp_path / "t.db", wall_clock=testing.wall_clock) as scheduler:
        with scheduler.on_event(heard.append):
            await scheduler.enqueue("Build")
    assert heard[-1].kind == "committed"
    assert 0 < heard[-1].seconds < 10
