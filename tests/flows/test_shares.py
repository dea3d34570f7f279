"""Groups share the starts, whatever else the scheduler does."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from scheduler import Scheduler, TaskSpec, Weights, open_scheduler
from tests.flows.conftest import virtual_wall


async def enqueue(scheduler: Scheduler, group: str | None, count: int, priority: int = 5) -> None:
    await scheduler.enqueue_many(
        TaskSpec(f"{group} {n}", group=group, base_priority=priority) for n in range(count)
    )


async def start(scheduler: Scheduler, count: int) -> list[str | None]:
    """The groups of the next tasks that a worker is given, one after the other."""
    groups: list[str | None] = []
    for _ in range(count):
        for claim in await scheduler.claim("w"):
            groups.append(claim.task.group)
            await scheduler.complete(claim)
    return groups


async def test_three_tasks_beside_ten_thousand(scheduler: Scheduler) -> None:
    """Equal weights: the first of the three is among the next four that start."""
    await enqueue(scheduler, "a", 10_000)
    assert await start(scheduler, 50) == ["a"] * 50
    await enqueue(scheduler, "b", 3)
    assert await start(scheduler, 7) == ["b", "a", "b", "a", "b", "a", "a"]


async def test_what_is_urgent_goes_first_all_the_same(scheduler: Scheduler) -> None:
    """A task of the highest priority does not wait for the turn of its group."""
    await enqueue(scheduler, "a", 100)
    await enqueue(scheduler, "b", 100)
    await start(scheduler, 20)
    await enqueue(scheduler, "a", 1, priority=10)
    await enqueue(scheduler, None, 1, priority=10)
    (urgent,) = await scheduler.claim("w")
    (second,) = await scheduler.claim("w")
    assert {urgent.task.base_priority, second.task.base_priority} == {10}


async def test_weights_are_kept_in_the_file(tmp_path: Path) -> None:
    """And change what starts from the next claim on."""
    path = tmp_path / "tasks.db"
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        await enqueue(scheduler, "a", 100)
        await enqueue(scheduler, "b", 100)
        await scheduler.set_share("a", 3.0)
    async with open_scheduler(path, timer=None, wall_clock=virtual_wall) as scheduler:
        assert Counter(await start(scheduler, 40)) == {"a": 30, "b": 10}
        await scheduler.set_share("a", None)
        assert Counter(await start(scheduler, 20)) == {"a": 10, "b": 10}


async def test_without_fairness_scores_alone_decide() -> None:
    """As an embedder may choose."""
    weights = Weights(fairness=0.0)
    async with open_scheduler(wall_clock=virtual_wall, weights=weights) as scheduler:
        await enqueue(scheduler, "a", 10, priority=6)
        await enqueue(scheduler, "b", 10)
        assert await start(scheduler, 20) == ["a"] * 10 + ["b"] * 10
