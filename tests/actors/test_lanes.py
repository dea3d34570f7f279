"""What the record knows of its lanes."""

from __future__ import annotations

from actors.lanes import Lanes
from scheduler.domain.task import Status, Task, moment
from scheduler.domain.views import Idle
from tests.domain.making import make_task


def scheduled(number: int, start: float, lane: str = "general") -> Task:
    return make_task(number, status=Status.SCHEDULED, not_before_s=start, agent_type=lane)


def test_starts_that_are_over_do_not_pile_up() -> None:
    """A task that fails and fails again leaves a handful behind, and its last start is known."""
    tasks: dict[int, Task] = {}
    lanes = Lanes(tasks)
    for start in range(1_000):
        if 1 in tasks:
            lanes.remove(tasks[1])
        tasks[1] = scheduled(1, float(start))
        lanes.add(tasks[1])
    assert sum(map(len, lanes._starts.values())) < 200
    assert lanes.why_idle(None, (), None) == Idle("all_scheduled", moment(999.0))


def test_lanes_that_are_empty_are_forgotten() -> None:
    """Memory does not grow with the agent types that once were."""
    tasks: dict[int, Task] = {}
    lanes = Lanes(tasks)
    for number in range(1, 100):
        tasks[number] = scheduled(number, 1.0, f"lane {number}")
        lanes.add(tasks[number])
        lanes.remove(tasks.pop(number))
    assert (lanes.counts, lanes._starts) == ({}, {})
