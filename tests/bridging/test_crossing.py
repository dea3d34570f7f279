"""Whoever leaves, in whatever order with the answer: a claim is heard, or claimable at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import outcome
import pytest
import trio
import trio.testing

from actors.commands import ClaimReady
from actors.reply import Reply
from scheduler import Scheduler, SchedulerClosed, open_scheduler
from scheduler.bridging.crossing import Abandoned, Crossing, closed
from scheduler.domain.views import Claim
from tests.flows.conftest import run_on_virtual_time, virtual_wall

Claims = list[Claim]
on_virtual_time = pytest.mark.trio(run=run_on_virtual_time)


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    async with open_scheduler(wall_clock=virtual_wall) as opened:
        yield opened


class Waiting:
    """Somebody elsewhere who claims a task."""

    def __init__(self, scheduler: Scheduler, wait: float = 0.0) -> None:
        door = scheduler._door
        command = ClaimReady("gone", None, 1, 300.0, wait, Reply())
        self.told: list[outcome.Maybe[Claims]] = []
        self.crossing = Crossing(
            partial(door.ask, command), self.told.append, partial(closed, None), door.give_back
        )


async def _is_claimable(scheduler: Scheduler) -> bool:
    began = trio.current_time()
    claims = await scheduler.claim("next", wait=100)
    return len(claims) == 1 and trio.current_time() - began < 1  # its lease is 300 s


@on_virtual_time
async def test_leaving_before_the_claim_is_made(scheduler: Scheduler) -> None:
    await scheduler.enqueue("A task")
    waiting = Waiting(scheduler)
    waiting.crossing.abandon()
    waiting.crossing.start()
    assert await _is_claimable(scheduler)


@on_virtual_time
async def test_leaving_in_the_moment_in_which_the_claim_is_made(scheduler: Scheduler) -> None:
    await scheduler.enqueue("A task")
    waiting = Waiting(scheduler)
    waiting.crossing.start()
    waiting.crossing.abandon()
    assert await _is_claimable(scheduler)


@pytest.mark.parametrize("turns", range(12))
@on_virtual_time
async def test_leaving_any_number_of_turns_later(scheduler: Scheduler, turns: int) -> None:
    """Before the grant, between the grant and its commit, and after the answer."""
    await scheduler.enqueue("A task")
    waiting = Waiting(scheduler)
    waiting.crossing.start()
    for _ in range(turns):
        await trio.lowlevel.checkpoint()
    waiting.crossing.abandon()
    assert await _is_claimable(scheduler)


@on_virtual_time
async def test_leaving_after_the_answer_was_sent(scheduler: Scheduler) -> None:
    await scheduler.enqueue("A task")
    waiting = Waiting(scheduler)
    waiting.crossing.start()
    await trio.testing.wait_all_tasks_blocked()
    assert isinstance(waiting.told[0], outcome.Value)
    waiting.crossing.abandon()
    assert await _is_claimable(scheduler)


@on_virtual_time
async def test_an_answer_that_is_heard_is_not_taken_back(scheduler: Scheduler) -> None:
    await scheduler.enqueue("A task")
    waiting = Waiting(scheduler)
    waiting.crossing.start()
    await trio.testing.wait_all_tasks_blocked()
    assert await scheduler.claim("next") == []


@on_virtual_time
async def test_leaving_a_claim_that_waits_for_a_task(scheduler: Scheduler) -> None:
    waiting = Waiting(scheduler, wait=1_000)
    waiting.crossing.start()
    await trio.testing.wait_all_tasks_blocked()
    waiting.crossing.abandon()
    await scheduler.enqueue("A task")
    assert await _is_claimable(scheduler)
    assert isinstance(waiting.told[0].error, Abandoned)  # type: ignore[union-attr]


@on_virtual_time
async def test_leaving_in_the_tick_of_the_answer() -> None:
    """The value was delivered in Trio, and its task has not gone on yet."""
    ready = trio.Event()
    given_back: list[str] = []

    async def grant() -> str:
        await ready.wait()
        return "granted"

    async def give_back(value: str) -> None:
        given_back.append(value)

    told: list[outcome.Maybe[str]] = []
    crossing = Crossing(grant, told.append, partial(closed, None), give_back)
    crossing.start()
    await trio.testing.wait_all_tasks_blocked()
    ready.set()
    crossing.abandon()
    await trio.testing.wait_all_tasks_blocked()
    assert (given_back, told) == (["granted"], [])


def _outcome_at_the_end_of_trio(use: Callable[[Crossing[Any]], None]) -> Any:
    told: list[outcome.Maybe[Any]] = []

    async def main() -> None:
        crossing = Crossing(trio.sleep_forever, told.append, partial(closed, None))
        use(crossing)
        await trio.testing.wait_all_tasks_blocked()

    trio.run(main)
    [result] = told
    return result.error  # type: ignore[union-attr]


def test_the_end_of_trio_is_told_to_those_who_wait() -> None:
    assert isinstance(_outcome_at_the_end_of_trio(Crossing.start), SchedulerClosed)
