"""The recorded workflows, and how long the textbook's schedules of one take.

A list schedule never leaves a worker idle while something can start; which of the tasks that
can start it takes first is its order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from statistics import fmean

import msgspec
from msgspec.structs import replace

WORKFLOWS = Path(__file__).parent / "workflows"


class Job(msgspec.Struct, frozen=True):
    """A task that ran, and for how long. Its prerequisites stand before it in the file."""

    ref: str
    name: str
    runtime_s: float
    prerequisites: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """What ran: the name without the number of the run.

        >>> Job("7", "sort_sam_ID0000002", 25.2).program
        'sort_sam'
        """
        return re.split(r"_(?:ID)?\d", self.name)[0]


def workflows() -> dict[str, list[Job]]:
    """The jobs of each, by its short name."""
    decoder = msgspec.json.Decoder(Job)
    files = sorted(WORKFLOWS.glob("*.jsonl"))
    return {file.stem.split("-")[0]: decoder.decode_lines(file.read_bytes()) for file in files}


def with_mean_runtimes(jobs: Sequence[Job]) -> list[Job]:
    """The same jobs, each as long as those of its program are on average."""
    runtimes: dict[str, list[float]] = {}
    for job in jobs:
        runtimes.setdefault(job.program, []).append(job.runtime_s)
    return [replace(job, runtime_s=fmean(runtimes[job.program])) for job in jobs]


def lower_bound(jobs: Sequence[Job], workers: int) -> float:
    """Seconds that no schedule can beat: the longest chain, and the work shared evenly."""
    work = sum(job.runtime_s for job in jobs)
    return max(*upward_ranks(jobs).values(), work / workers)


def by_upward_rank(
    jobs: Sequence[Job], workers: int, believed: Sequence[Job] | None = None
) -> float:
    """Seconds if what heads the longest chain goes first (Topcuoglu, Hariri and Wu, 2002).

    `believed` has the same jobs with the runtimes that the chains are measured with.
    """
    ranks = upward_ranks(believed or jobs)
    return list_schedule(jobs, workers, sorted(ranks, key=lambda ref: -ranks[ref]))


def by_submission(jobs: Sequence[Job], workers: int) -> float:
    """Seconds if what was submitted first goes first."""
    return list_schedule(jobs, workers, [job.ref for job in jobs])


def by_graphlib(jobs: Sequence[Job], workers: int) -> float:
    """Seconds if tasks go in the order in which `TopologicalSorter.get_ready` gives them."""
    return list_schedule(jobs, workers, ())


def list_schedule(jobs: Sequence[Job], workers: int, order: Sequence[str]) -> float:
    """Seconds of the list schedule by this order; what it does not name goes as it becomes ready.

    >>> list_schedule([Job("a", "a", 1), Job("b", "b", 2), Job("c", "c", 2)], 2, ["a", "b", "c"])
    3.0
    """
    runtimes = {job.ref: job.runtime_s for job in jobs}
    places = {ref: place for place, ref in enumerate(order)}
    arrivals = count(len(places))
    sorter = TopologicalSorter({job.ref: job.prerequisites for job in jobs})
    sorter.prepare()
    ready: list[tuple[int, str]] = []
    running: list[tuple[float, str]] = []
    now = 0.0
    while sorter.is_active():
        for ref in sorter.get_ready():
            heappush(ready, (places.get(ref, next(arrivals)), ref))
        while ready and len(running) < workers:
            _, ref = heappop(ready)
            heappush(running, (now + runtimes[ref], ref))
        now = running[0][0]
        while running and running[0][0] == now:
            sorter.done(heappop(running)[1])
    return now


def upward_ranks(jobs: Sequence[Job]) -> Mapping[str, float]:
    """Seconds from the start of each task to the end of the longest chain behind it."""
    behind = dict.fromkeys((job.ref for job in jobs), 0.0)
    ranks: dict[str, float] = {}
    for job in reversed(jobs):
        ranks[job.ref] = job.runtime_s + behind[job.ref]
        for ref in job.prerequisites:
            behind[ref] = max(behind[ref], ranks[job.ref])
    return {job.ref: ranks[job.ref] for job in jobs}
