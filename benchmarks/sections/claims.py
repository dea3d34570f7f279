"""Whether a claim notices how many tasks are ready: at the prioritizer, without I/O."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from math import inf

from actors import commands as c
from actors import messages as m
from actors.messages import Entry, To
from actors.reply import Reply
from benchmarks.measuring import Figure, at_most, paired, percentile
from benchmarks.pipeline import Pipeline
from benchmarks.workload import Bench, spec
from scheduler.domain.admission import make_task
from scheduler.domain.priority import Facts
from scheduler.domain.request import checked

FEW, MANY, MANY_QUICKLY = 1_000, 1_000_000, 20_000
CLAIMS = 1_000  # for one value of the 99th percentile
STEP = 100  # claims, after which as many tasks come in
FILLING = 10_000


class Queue:
    """A prioritizer with a number of ready tasks, of random ranks and ages."""

    def __init__(self, ready: int) -> None:
        self._pipeline = Pipeline()
        self._random = random.Random(ready)
        self._request = checked(spec(0))
        self._last = 0
        for _ in range(0, ready, FILLING):
            self._fill(min(ready, FILLING))

    def claim_p99(self) -> float:
        """Seconds that 99 % of a thousand claims of one task do not pass."""
        seconds: list[float] = []
        for _ in range(CLAIMS // STEP):
            for _ in range(STEP):
                claim = c.ClaimReady("worker", None, 1, 300.0, 0.0, Reply())
                began = time.perf_counter()
                self._pipeline.send(To.PRIORITIZER, claim)
                seconds.append(time.perf_counter() - began)
            self._fill(STEP)
        return percentile(seconds, 99)

    def _fill(self, count: int) -> None:
        entries = [self._entry() for _ in range(count)]
        self._pipeline.send(To.PRIORITIZER, m.Resolved(handed=entries, nature="new"))

    def _entry(self) -> Entry:
        self._last += 1
        ready = time.time() - self._random.random() * 3_600
        task = make_task(self._request, self._last, (), None, ready)
        rank = 10 ** (self._random.random() * 4)
        return Entry(task, Facts(rank, inf, task.base_priority, 100.0, 0))


def figures(bench: Bench) -> Iterator[Figure]:
    """Two queues, claimed from in turn."""
    ready = bench.pick(MANY, MANY_QUICKLY)
    many, few = Queue(ready), Queue(FEW)
    values = [(many.claim_p99(), few.claim_p99()) for _ in range(bench.pairs)]
    measure = f"claim p99, {ready:,} ready / {FEW:,} ready (prioritizer)"
    yield paired(measure, "s", values, at_most(2), at_most(1.2))
