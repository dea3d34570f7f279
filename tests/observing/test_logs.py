"""Log records of each actor, with the ids of tasks."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest
import trio

from persistence.memory import MemoryStore
from scheduler import Scheduler, TaskSpec, testing
from scheduler.telemetry.logs import LOGGERS
from tests.support.stores import FailingStore


@pytest.fixture
async def talkative(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Scheduler]:
    caplog.set_level(logging.DEBUG, "headrace")
    async with testing.open_scheduler() as opened:
        caplog.clear()
        yield opened


def _told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Actor and event of each record that is of a task."""
    return [
        (record.name.removeprefix("headrace."), vars(record)["event"])
        for record in caplog.records
        if "task_id" in vars(record)
    ]


async def test_each_actor_logs_what_it_did(
    talkative: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """With the logger of that actor."""
    build = TaskSpec("Build", max_attempts=1)
    _, check = await talkative.enqueue_many([build, TaskSpec("Check", prerequisites=[build])])
    await talkative.fail((await talkative.claim("w"))[0], "broken")
    await talkative.retry(build_id := (await talkative.get(check)).prerequisites[0])
    await talkative.update(build_id, base_priority=9)
    assert _told(caplog) == [
        ("ingest", "enqueued"),
        ("prioritizer", "ready"),
        ("ingest", "enqueued"),
        ("prioritizer", "claimed"),
        ("prioritizer", "failed"),
        ("resolver", "cancelled"),
        ("resolver", "reopened"),
        ("prioritizer", "ready"),
        ("resolver", "updated"),
    ]
    committed = [r for r in caplog.records if r.name == "headrace.persister"]
    assert len(committed) == 5
    assert committed[0].getMessage() == "committed 2 changes in 0.0 ms"


async def test_a_record_carries_the_task(
    talkative: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """As attributes, and in its text."""
    task = await talkative.enqueue("Build", agent_type="builder")
    await talkative.fail((await talkative.claim("w"))[0], "broken")
    record = next(r for r in caplog.records if vars(r).get("event") == "retrying")
    facts = vars(record)
    assert (facts["task_id"], facts["agent_type"], facts["attempt"]) == (task.id, "builder", 1)
    assert record.getMessage() == f"task {task.id} retrying after 0.000 s by w"
    assert record.levelno == logging.DEBUG


async def test_no_record_holds_a_lease_token(
    talkative: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever reads the log cannot finish a task."""
    await talkative.enqueue("Build")
    claim = (await talkative.claim("w"))[0]
    await talkative.complete(claim)
    assert caplog.records
    assert not any(claim.token in str(vars(record)) for record in caplog.records)


async def test_a_lost_lease_is_a_warning(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where nobody asked for DEBUG; and then it is the only record."""
    task = await scheduler.enqueue("Build")
    await scheduler.claim("w", lease=10)
    await trio.sleep(11)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.name == "headrace.prioritizer"
    assert record.getMessage() == f"task {task.id} lost by w: its lease expired in attempt 1"


async def test_a_store_that_fails_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Once, with what it said; and INFO when it is over."""
    caplog.set_level(logging.INFO, "headrace")
    store = FailingStore(MemoryStore(), ["commit"])
    async with testing.open_scheduler(store=store) as scheduler:
        store.failing = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scheduler.enqueue, "Build")
            await trio.sleep(3)
            store.failing = False
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "the store cannot be written: the disk is out on purpose"),
        ("INFO", "the store can be written again"),
    ]


async def test_without_debug_no_event_is_made(scheduler: Scheduler) -> None:
    """Then only troubles are looked for."""
    assert not any(logger.isEnabledFor(logging.DEBUG) for logger in LOGGERS)
    assert not scheduler._door.observer.hears_all  # type: ignore[attr-defined]


async def test_one_logger_at_debug_logs_its_own_only(caplog: pytest.LogCaptureFixture) -> None:
    """The others stay silent."""
    caplog.set_level(logging.DEBUG, "headrace.ingest")
    async with testing.open_scheduler() as scheduler:
        await scheduler.enqueue("Build")
    assert _told(caplog) == [("ingest", "enqueued")]
