"""On real workflows the score keeps close to the exact order by upward rank."""

from __future__ import annotations

from graphlib import TopologicalSorter
from heapq import heappop, heappush
from itertools import product
from pathlib import Path

import msgspec
import pytest

from scheduler.domain.graph import Graph
from scheduler.domain.plan import execution_plan
from tests.domain.making import make_task

FOLDER = Path(__file__).parents[2] / "benchmarks" / "workflows"
FILES = sorted(FOLDER.glob("*.jsonl"))


class Line(msgspec.Struct):
    ref: str
    name: str
    runtime_s: float
    prerequisites: list[str]


class Workflow:
    """Runtimes by number, and what each task requires."""

    def __init__(self, path: Path) -> None:
        lines = [msgspec.json.decode(line, type=Line) for line in path.read_bytes().splitlines()]
        places = {line.ref: place for place, line in enumerate(lines)}
        self.runtimes = [line.runtime_s for line in lines]
        self.requires = [tuple(places[ref] for ref in line.prerequisites) for line in lines]

    def makespan(self, workers: int) -> float:
        """By the plan of the scheduler."""
        graph = Graph()
        graph.admit(
            [
                make_task(number, requires, estimated_duration=seconds)
                for number, (seconds, requires) in enumerate(
                    zip(self.runtimes, self.requires, strict=True)
                )
            ]
        )
        seconds = execution_plan(graph, workers=workers).makespan_seconds
        assert seconds is not None
        return seconds

    def ranks(self) -> list[float]:
        """Own runtime plus the longest chain behind it."""
        ranks = list(self.runtimes)
        order = list(TopologicalSorter(dict(enumerate(self.requires))).static_order())
        for number in reversed(order):
            for before in self.requires[number]:
                ranks[before] = max(ranks[before], self.runtimes[before] + ranks[number])
        return ranks

    def makespan_by(self, keys: list[float], workers: int) -> float:
        """List scheduling: a free worker takes the ready task with the smallest key."""
        waiting = [len(before) for before in self.requires]
        ready = sorted((keys[n], n) for n, count in enumerate(waiting) if not count)
        running: list[tuple[float, int]] = []
        now = 0.0
        while ready or running:
            while ready and len(running) < workers:
                number = heappop(ready)[1]
                heappush(running, (now + self.runtimes[number], number))
            now = running[0][0]
            while running and running[0][0] == now:
                ended = heappop(running)[1]
                for number, before in enumerate(self.requires):
                    if ended in before:
                        waiting[number] -= 1
                        if not waiting[number]:
                            heappush(ready, (keys[number], number))
        return now


def test_there_are_workflows() -> None:
    assert len(FILES) == 8


@pytest.mark.parametrize("workers", [4, 16])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem.split("-")[0])
def test_the_makespan_is_at_most_2_percent_over_that_of_exact_rank_order(
    path: Path, workers: int
) -> None:
    workflow = Workflow(path)
    exact = workflow.makespan_by([-rank for rank in workflow.ranks()], workers)
    assert workflow.makespan(workers) <= 1.02 * exact


def test_it_beats_submission_order_by_up_to_a_quarter() -> None:
    gains = []
    for workflow, workers in product(map(Workflow, FILES), (4, 16)):
        submitted = workflow.makespan_by([0.0] * len(workflow.runtimes), workers)
        gains.append(1 - workflow.makespan(workers) / submitted)
    assert max(gains) > 0.25
    assert min(gains) >= 0
