"""The gate in front of the actors: shut under pressure, and open again."""

from __future__ import annotations

import pytest
import trio

from actors.gate import Gate
from scheduler.domain.errors import Overloaded, SchedulerClosed
from tests.flows.conftest import run_on_virtual_time

virtual = pytest.mark.trio(run=run_on_virtual_time)


@virtual
async def test_it_opens_again_at_half_the_mark() -> None:
    """Everybody who waited then passes."""
    gate = Gate(10)
    passed: list[int] = []

    async def pass_(number: int) -> None:
        await gate.passage()
        passed.append(number)

    gate.level(11)
    assert not gate.open
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(pass_, number)
            await trio.sleep(1)
            gate.level(6)
            await trio.sleep(1)
            assert passed == []
            gate.level(5)
    assert sorted(passed) == [0, 1, 2]
    assert gate.open


@virtual
async def test_it_is_shut_while_the_store_is_down() -> None:
    """However little is unsaved; with an admission timeout whoever waits hears so."""
    gate = Gate(10, admission_timeout=2.0)
    gate.level(0, store_is_down=True)
    with pytest.raises(Overloaded) as caught:
        await gate.passage()
    assert caught.value.retry_after == 1.0
    gate.level(0)
    with trio.fail_after(1):
        await gate.passage()


@virtual
async def test_who_waits_when_it_closes_hears_so() -> None:
    """And nobody passes any more."""
    gate = Gate(10)
    gate.level(11)
    heard: list[str] = []

    async def wait() -> None:
        try:
            await gate.passage()
        except SchedulerClosed as error:
            heard.append(error.code)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.sleep(1)
            gate.close()
    await wait()
    assert heard == ["scheduler_closed"] * 2
