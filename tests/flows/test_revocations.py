"""A holder hears of the claims that are taken from it, without a heartbeat."""

from __future__ import annotations

import pytest
import trio

from actors import revocations
from scheduler import Claim, Scheduler, Status
from scheduler.domain.errors import InvalidRequest

Heard = list[tuple[str, str]]


async def claimed(scheduler: Scheduler, holder: str = "w", lease: float = 300.0) -> Claim:
    """A new task, claimed by a holder that listens."""
    await scheduler.revoked(holder)
    await scheduler.enqueue("work")
    (claim,) = await scheduler.claim(holder, lease=lease)
    return claim


def pair(claim: Claim) -> tuple[str, str]:
    return claim.task.id, claim.token


async def test_a_cancel_is_heard_by_who_waits(scheduler: Scheduler) -> None:
    """At once: no time passes between the cancel and the answer."""
    claim = await claimed(scheduler)
    heard: list[tuple[float, Heard]] = []

    async def listen() -> None:
        heard.append((trio.current_time(), await scheduler.revoked("w", wait=1_000)))
        heard.append((trio.current_time(), []))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await trio.sleep(10)
        await scheduler.cancel(claim.task)
        await trio.testing.wait_all_tasks_blocked()
        assert [now for now, _ in heard][1:] == [trio.current_time()]
    assert heard[0][1] == [pair(claim)]


async def test_what_nobody_waits_for_is_kept(scheduler: Scheduler) -> None:
    """Until the next question, which hears of everything once."""
    first, second = await claimed(scheduler), await claimed(scheduler)
    await scheduler.cancel(first.task)
    await scheduler.cancel(second.task)
    assert await scheduler.revoked("w") == [pair(first), pair(second)]
    assert await scheduler.revoked("w") == []


async def test_an_expired_lease_is_heard(scheduler: Scheduler) -> None:
    claim = await claimed(scheduler, lease=5.0)
    began = trio.current_time()
    assert await scheduler.revoked("w", wait=60) == [pair(claim)]
    assert trio.current_time() - began == pytest.approx(5.0)


async def test_released_holders_hear_so(scheduler: Scheduler) -> None:
    claim, other = await claimed(scheduler, "pool:1"), await claimed(scheduler, "solo")
    await scheduler.release_holders("pool:")
    assert await scheduler.revoked("pool:1") == [pair(claim)]
    assert await scheduler.revoked("solo") == []
    await scheduler.complete(other)


async def test_what_a_holder_ends_itself_is_no_revocation(scheduler: Scheduler) -> None:
    """Neither a completion, nor a failure, nor a release."""
    await scheduler.complete(await claimed(scheduler))
    await scheduler.fail(await claimed(scheduler), "broken", retryable=False)
    await scheduler.release(await claimed(scheduler))
    assert await scheduler.revoked("w") == []


async def test_a_wait_ends(scheduler: Scheduler) -> None:
    began = trio.current_time()
    assert await scheduler.revoked("w", wait=7) == []
    assert trio.current_time() - began == pytest.approx(7)


async def test_who_does_not_ask_is_forgotten(scheduler: Scheduler) -> None:
    """After a minute; it has its heartbeats to hear from."""
    claim = await claimed(scheduler)
    await trio.sleep(revocations.FORGET_AFTER + 1)
    await scheduler.cancel(claim.task)
    assert await scheduler.revoked("w") == []


async def test_a_cancelled_question_loses_nothing(scheduler: Scheduler) -> None:
    """What nobody received is told to the next one."""
    claim = await claimed(scheduler)
    with trio.move_on_after(1):
        await scheduler.revoked("w", wait=60)
    await scheduler.cancel(claim.task)
    assert await scheduler.revoked("w") == [pair(claim)]


async def test_what_is_kept_is_bounded(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of too many, the newest are told."""
    monkeypatch.setattr(revocations, "KEPT", 2)
    claims = [await claimed(scheduler) for _ in range(3)]
    for claim in claims:
        await scheduler.cancel(claim.task)
    assert await scheduler.revoked("w") == [pair(claim) for claim in claims[1:]]


async def test_a_failure_can_say_when_to_go_on(scheduler: Scheduler) -> None:
    """`retry_after` takes the place of the back-off, and the attempt counts all the same."""
    claim = await claimed(scheduler)
    ended = await scheduler.fail(claim, "busy", retry_after=3_600)
    assert ended.task.status is Status.SCHEDULED
    assert ended.task.attempt == 1
    began = trio.current_time()
    (again,) = await scheduler.claim("w", wait=10_000)
    assert again.task.id == claim.task.id
    assert trio.current_time() - began == pytest.approx(3_600)


async def test_a_failure_in_the_past_is_refused(scheduler: Scheduler) -> None:
    claim = await claimed(scheduler)
    with pytest.raises(InvalidRequest, match="retry_after is out of range"):
        await scheduler.fail(claim, "busy", retry_after=-1)
