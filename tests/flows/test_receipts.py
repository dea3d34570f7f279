"""A change that is asked for once more, after a crash between its commit and its answer."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import trio

from actors import commands as c
from actors import messages as m
from actors.reply import Reply
from actors.system import System
from scheduler import (
    LeaseLost,
    Scheduler,
    Status,
    StoreCorrupt,
    Task,
    TaskSpec,
    UnknownTask,
    open_scheduler,
)
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.request import checked_all
from scheduler.domain.request_ids import forgotten_before, make_request_id
from scheduler.domain.views import Cancellation, Ended

from .conftest import START, virtual_wall

FIRST = make_request_id(START, lambda bits: 1)
Make = Callable[[Reply[Any]], Any]


def system_of(scheduler: Scheduler) -> System:
    door = scheduler._door
    assert isinstance(door, System)
    return door


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Scheduler]:
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        yield scheduler


async def again(scheduler: Scheduler, make: Make, request: str = FIRST) -> Any:
    """What is answered to a command that may have been carried out before."""
    reply: Reply[Any] = Reply(request)
    return await system_of(scheduler).ask(m.Again(make(reply), reply))


def enqueue(*descriptions: str) -> Make:
    requests = checked_all([TaskSpec(text) for text in descriptions], SOURCE_SCORES)
    return lambda reply: c.Enqueue(requests, reply)


async def test_an_enqueue_makes_its_tasks_once(tmp_path: Path) -> None:
    """The repetition hears of the same tasks; a request that nobody knows is carried out."""
    path = tmp_path / "tasks.db"
    make = enqueue("a", "b")
    async with opened(path) as scheduler:
        first = await system_of(scheduler).ask(make(Reply(FIRST)))
    async with opened(path) as scheduler:
        second = await again(scheduler, make)
        assert [task.id for task in second] == [task.id for task in first]
        assert (await scheduler.queue_status()).total_tasks == 2
        await again(scheduler, make, make_request_id(START, lambda bits: 2))
        assert (await scheduler.queue_status()).total_tasks == 4


async def test_a_claim_is_told_again_while_it_holds(tmp_path: Path) -> None:
    """With its token and the results of the prerequisites; once expired, something else is."""
    path = tmp_path / "tasks.db"

    def claim(reply: Reply[Any]) -> c.ClaimReady:
        return c.ClaimReady("w", None, 1, 60.0, 0.0, reply)

    async with opened(path) as scheduler:
        await scheduler.enqueue("one", base_priority=9)
        await scheduler.enqueue("two")
        (first,) = await system_of(scheduler).ask(claim(Reply(FIRST)))
    async with opened(path) as scheduler:
        (second,) = await again(scheduler, claim)
        assert (second.task.id, second.token) == (first.task.id, first.token)
        assert (await scheduler.queue_status()).counts[Status.RUNNING] == 1
        await scheduler.complete(second)
        (other,) = await again(scheduler, claim)
        assert other.task.description == "two"


async def test_ends_are_told_again_with_what_they_moved(tmp_path: Path) -> None:
    """The repetition says what became claimable, and refuses what was refused."""
    path = tmp_path / "tasks.db"
    async with opened(path) as scheduler:
        first = await scheduler.enqueue("first")
        then = await scheduler.enqueue("then", prerequisites=[first])
        (claim,) = await scheduler.claim("w")
    finishes = (
        c.Finish("complete", first.number, claim.token, "1"),
        c.Finish("complete", first.number, "no token of it"),
    )
    async with opened(path) as scheduler:
        await system_of(scheduler).ask(c.Complete(finishes, Reply(FIRST)))
    async with opened(path) as scheduler:
        ended, refused = await again(scheduler, lambda reply: c.Complete(finishes, reply))
        assert isinstance(ended, Ended)
        assert ended.task.status is Status.COMPLETED
        assert ended.released == (then.id,)
        assert refused.code == "already_finished"


async def test_a_release_is_told_again_when_another_holds_the_task(tmp_path: Path) -> None:
    """Without the receipt the repetition would be taken for that of a stranger."""
    path = tmp_path / "tasks.db"
    async with opened(path) as scheduler:
        await scheduler.enqueue("work")
        (claim,) = await scheduler.claim("w")
        finish = c.Finish("release", claim.task.number, claim.token)
        await system_of(scheduler).ask(c.Release(finish, Reply(FIRST)))
        await scheduler.claim("other")
    async with opened(path) as scheduler:
        (ended,) = await again(scheduler, lambda reply: c.Release(finish, reply))
        assert ended.task.holder == "other"
        with pytest.raises(LeaseLost):
            await scheduler.release(claim)


async def test_cancel_retry_update_and_pause_are_told_again(tmp_path: Path) -> None:
    """Each answer comes once more, and nothing is done once more."""
    path = tmp_path / "tasks.db"
    async with opened(path) as scheduler:
        task = await scheduler.enqueue("work")
        child = await scheduler.enqueue("child", prerequisites=[task])
    ids = [FIRST[:-1] + digit for digit in "2345"]
    makes: list[Make] = [
        lambda reply: c.Cancel(task.number, "no", False, reply),
        lambda reply: c.Retry(task.number, True, reply),
        lambda reply: c.Update(task.number, {"base_priority": 9}, reply),
        lambda reply: c.SetPaused("general", True, reply),
    ]
    async with opened(path) as scheduler:
        for request, make in zip(ids, makes, strict=True):
            await system_of(scheduler).ask(make(Reply(request)))
        await scheduler.update(task, base_priority=2)
        await scheduler.resume("general")
    async with opened(path) as scheduler:
        cancelled, retried, updated, paused = [
            await again(scheduler, make, request) for request, make in zip(ids, makes, strict=True)
        ]
        assert cancelled == Cancellation(task.id, (child.id,))
        assert [known.id for known in retried] == [task.id, child.id]
        assert [known.base_priority for known in updated] == [2]
        assert paused is None
        now = await scheduler.get(task)
        assert (now.status, now.base_priority) == (Status.READY, 2)
        assert (await scheduler.queue_status()).paused == ()


async def test_a_receipt_is_kept_for_an_hour(tmp_path: Path) -> None:
    """A change that is written an hour later drops it."""
    path = tmp_path / "tasks.db"
    later = make_request_id(START + 3_600.001, lambda bits: 0)
    assert forgotten_before(later) > FIRST
    async with opened(path) as scheduler:
        ask = system_of(scheduler).ask
        await ask(enqueue("a")(Reply(FIRST)))
        await ask(enqueue("b")(Reply(make_request_id(START + 3_599, lambda bits: 0))))
        (known,) = await again(scheduler, enqueue("a"))
        assert known.description == "a"
        await ask(enqueue("c")(Reply(later)))
        made: list[Task] = await again(scheduler, enqueue("a"))
        assert made[0].id != known.id


async def test_a_receipt_that_is_damaged_is_told_as_damage(tmp_path: Path) -> None:
    """To whoever asks again; the scheduler goes on."""
    path = tmp_path / "tasks.db"
    async with opened(path) as scheduler:
        await system_of(scheduler).ask(enqueue("a")(Reply(FIRST)))
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.execute("UPDATE receipts SET receipt = '{'")
    async with opened(path) as scheduler:
        with pytest.raises(StoreCorrupt, match="receipt"):
            await again(scheduler, enqueue("a"))
        assert (await scheduler.queue_status()).total_tasks == 1


async def test_a_claim_that_another_holds_by_now_is_not_told_again(tmp_path: Path) -> None:
    """Its lease ran out: who asks again gets something else, and never the other's token."""
    path = tmp_path / "tasks.db"

    def claim(reply: Reply[Any]) -> c.ClaimReady:
        return c.ClaimReady("anna", None, 1, 60.0, 0.0, reply)

    async with opened(path) as scheduler:
        await scheduler.enqueue("work")
        await system_of(scheduler).ask(claim(Reply(FIRST)))
        await trio.sleep(61)
        (theirs,) = await scheduler.claim("ben")
    async with opened(path) as scheduler:
        assert await again(scheduler, claim) == []
        await scheduler.complete(theirs)


async def test_a_refusal_is_told_again_and_what_was_forgotten_is_unknown(tmp_path: Path) -> None:
    """One that stood beside a change; the tasks of a receipt may be pruned by then."""
    path = tmp_path / "tasks.db"
    async with opened(path) as scheduler:
        await scheduler.enqueue_many([TaskSpec("one"), TaskSpec("two")])
        one, two = await scheduler.claim("w", limit=2)
        finishes = (
            c.Finish("complete", one.task.number, one.token),
            c.Finish("complete", two.task.number, "no token of it"),
        )
        await system_of(scheduler).ask(c.Complete(finishes, Reply(FIRST)))
        await scheduler.complete(two)
        other = make_request_id(START, lambda bits: 2)
        (made,) = await system_of(scheduler).ask(enqueue("to be forgotten")(Reply(other)))
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.execute("DELETE FROM tasks WHERE id = ?", (made.number,))
    async with opened(path) as scheduler:
        ended, refused = await again(scheduler, lambda reply: c.Complete(finishes, reply))
        assert ended.task.id == one.task.id
        assert refused.code == "lease_lost"
        with pytest.raises(UnknownTask):
            await again(scheduler, enqueue("to be forgotten"), other)
