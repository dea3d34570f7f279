"""`scheduler.testing`: the same seed is the same run, and no wait takes time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
import trio._core._run
from trio.testing import MockClock

from scheduler import Claim, Scheduler, Status, TaskSpec, testing
from scheduler.testing import running

HOUR = 3_600.0


async def _race(seed: int) -> list[tuple[Any, ...]]:
    """Four workers at work on a graph in which half of the first attempts fail."""
    story: list[tuple[Any, ...]] = []

    async def work(scheduler: Scheduler, name: str) -> None:
        while claims := await scheduler.claim(name, wait=60):
            await _end(scheduler, claims[0])
            story.append((name, claims[0].task.id, claims[0].token, trio.current_time()))

    async def _end(scheduler: Scheduler, claim: Claim) -> None:
        await trio.sleep(1)
        if claim.task.attempt == 1 and claim.task.base_priority % 2:
            await scheduler.fail(claim, "not yet")
        else:
            await scheduler.complete(claim)

    async with testing.open_scheduler(seed=seed) as scheduler:
        first = [TaskSpec(f"First {n}", base_priority=n, agent_type="ab"[n % 2]) for n in range(8)]
        then = [TaskSpec(f"Then {n}", prerequisites=first[n : n + 2]) for n in range(6)]
        await scheduler.enqueue_many(first + then)
        async with trio.open_nursery() as nursery:
            for name in ("w1", "w2", "w3", "w4"):
                nursery.start_soon(work, scheduler, name)
    return story


def test_the_same_seed_is_the_same_run() -> None:
    """Ids, tokens, jitter, and who gets what when."""
    assert testing.run(_race, 3, seed=3) == testing.run(_race, 3, seed=3)


def test_other_seeds_are_other_orders() -> None:
    """The seed of `run` alone decides who comes first among equals."""
    orders = {tuple(name for name, *_ in testing.run(_race, 1, seed=seed)) for seed in range(8)}
    assert len(orders) > 1


@pytest.mark.process
def test_a_seed_means_the_same_in_every_process() -> None:
    """Whatever the hashes of its strings are."""
    code = (
        "from scheduler import testing\n"
        "from tests.testing.test_testing import _race\n"
        "print(testing.run(_race, 5, seed=5))"
    )
    root = Path(__file__).parent.parent.parent
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env=os.environ | {"PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for hashes in ("1", "2")
    }
    assert len(told) == 1


def test_waiting_takes_no_time() -> None:
    """Also for hours, and the scheduler's own clock goes with it."""

    async def wait() -> timedelta:
        async with testing.open_scheduler() as scheduler:
            began = testing.now()
            task = await scheduler.enqueue("Later", not_before=began + timedelta(hours=5))
            claims = await scheduler.claim("w", wait=6 * HOUR)
            assert [claim.task.id for claim in claims] == [task.id]
            started = claims[0].task.started_at
            assert started is not None
            return started - began

    before = time.monotonic()
    assert testing.run(wait) == timedelta(hours=5)
    assert time.monotonic() - before < 60


def test_a_restart_finds_the_tasks_of_a_file(tmp_path: Path) -> None:
    """With a path, and still on the clock that jumps."""

    async def restart() -> Status:
        async with testing.open_scheduler(tmp_path / "t.db", seed=1) as scheduler:
            task = await scheduler.enqueue("Build")
        await trio.sleep(HOUR)
        async with testing.open_scheduler(tmp_path / "t.db", seed=2) as scheduler:
            return (await scheduler.get(task)).status

    assert testing.run(restart) is Status.READY


def test_an_error_tells_its_seed() -> None:
    """So that the run can be repeated."""

    async def stumble() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError) as raised:
        testing.run(stumble, seed=17)
    assert "seed=17" in raised.value.__notes__[0]


def test_what_was_set_in_trio_is_as_before() -> None:
    """The hook that orders tasks, and the state of what shuffles them."""
    shuffling, hook = running._RANDOM, running._HOOK
    state = getattr(trio._core._run, shuffling).getstate()
    before = getattr(trio._core._run, hook)
    testing.run(trio.lowlevel.checkpoint, seed=4)
    assert getattr(trio._core._run, shuffling).getstate() == state
    assert getattr(trio._core._run, hook) == before


def test_this_trio_has_the_hook() -> None:
    """If this fails after an upgrade, seeds do not decide the order of tasks any more."""
    assert running.order_is_seeded()


def test_without_the_hook_all_else_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later Trio may have none."""
    monkeypatch.setattr(running, "_TRIO", object())
    assert testing.run(_race, 3, seed=3)
    assert not running.order_is_seeded()


async def test_it_works_with_the_clock_of_pytest_trio(autojump_clock: MockClock) -> None:
    """Without `testing.run`."""
    async with testing.open_scheduler() as scheduler:
        await scheduler.enqueue("Soon", not_before=testing.now() + timedelta(seconds=HOUR))
        assert await scheduler.claim("w", wait=2 * HOUR)
        assert autojump_clock.current_time() == pytest.approx(HOUR)
