"""Producers let loose on a model: what they get done, and how long each call takes.

A producer makes its next call when the last one is answered. When the time is over none begins
another round, and what is under way has some grace to end. What has not ended then is cut off;
how long each such call had waited counts as a lower bound of its latency, so that a model with a
long queue does not look quick for the calls that got through.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from math import inf
from typing import Any, NamedTuple, TypeVar

import trio

from benchmarks.lateness import PERIOD, Lateness
from benchmarks.measuring import percentile
from benchmarks.models.model import Disk, Model, Opening
from benchmarks.workload import linked_specs, open_specs
from persistence.store import Durability
from scheduler import SchedulerClosed

T = TypeVar("T")


class Load(NamedTuple):
    """What the producers do, until each has made `rounds` rounds or `seconds` are over.

    Each begins one, and has `grace` seconds to end its last. A round enqueues `batch` tasks.
    `cycle`: then it claims as many and completes them, so a batch has no edges then; else it
    holds chains of ten.
    """

    producers: int
    batch: int
    cycle: bool = False
    seconds: float = inf
    grace: float = 0.0
    rounds: float = inf


class CutOff(Exception):
    """The call was answered too late to count."""


class Latency(NamedTuple):
    """Seconds that a call took or, if it was `cut` off, had taken until then."""

    seconds: float
    cut: bool = False


class Run(NamedTuple):
    """What came of a load. `tasks`: enqueued (or gone through their cycle), and answered.

    `seconds`: from the first call until everything answered was saved. `lateness`: how late
    others on the loop woke up, in seconds each; empty where there is no loop.
    """

    tasks: int
    seconds: float
    latencies: list[Latency]
    lateness: list[float]

    @property
    def rate(self) -> float:
        """Tasks a second."""
        return self.tasks / self.seconds

    def latency(self, percent: float) -> Latency:
        place = int(percentile(range(len(self.latencies)), percent))
        return sorted(self.latencies)[place]


class Crowd:
    """The producers of one run."""

    def __init__(self, model: Model, load: Load) -> None:
        specs = open_specs if load.cycle or load.batch == 1 else linked_specs
        self._specs = specs(load.batch)
        self._model = model
        self._load = load
        self._under_way: dict[int, float] = {}
        self.latencies: list[Latency] = []
        self.done: list[int] = []  # tasks, by round: threads can append, but not add
        self.began = self.end = inf

    def start(self) -> None:
        """The time begins now."""
        self.began = time.perf_counter()
        self.end = self.began + self._load.seconds

    async def produce(self, producer: int) -> None:
        """Make call after call. Raises CutOff."""
        rounds = 0
        while rounds < self._load.rounds and (not rounds or time.perf_counter() < self.end):
            rounds += 1
            await self._timed(producer, self._model.enqueue(self._specs))
            if not self._load.cycle:
                self.done.append(len(self._specs))
                continue
            claims = await self._timed(
                producer, self._model.claim(f"producer-{producer}", len(self._specs))
            )
            if claims:
                await self._timed(producer, self._model.complete(claims))
                self.done.append(len(claims))

    async def _timed(self, producer: int, call: Awaitable[T]) -> T:
        began = self._under_way[producer] = time.perf_counter()
        answer = await call
        if self._under_way.pop(producer, None) is None:
            raise CutOff  # only a thread gets here: a Trio task is cancelled
        self.latencies.append(Latency(time.perf_counter() - began))
        return answer

    def cut_off(self) -> None:
        """Count the calls that are under way, at the end."""
        under_way, self._under_way = self._under_way, {}
        now = time.perf_counter()
        self.latencies += [Latency(now - began, cut=True) for began in list(under_way.values())]


def run_in_trio(opening: Opening, path: str, level: Durability, disk: Disk, load: Load) -> Run:
    """Producers that are Trio tasks."""
    return trio.run(_run, opening(path, level, disk), load, _in_tasks)


def run_in_threads(opening: Opening, path: str, level: Durability, disk: Disk, load: Load) -> Run:
    """Producers that are threads; the model's coroutines never wait for a loop."""
    return finished(_run(opening(path, level, disk), load, _in_threads))


async def _run(opened: Any, load: Load, let_loose: Callable[..., Awaitable[list[float]]]) -> Run:
    async with opened as model:
        crowd = Crowd(model, load)
        lateness = await let_loose(crowd, model, load)
        await model.flush()
        seconds = time.perf_counter() - crowd.began
    return Run(sum(crowd.done), seconds, crowd.latencies, lateness)


async def _in_tasks(crowd: Crowd, model: Model, load: Load) -> list[float]:
    lateness = Lateness()
    async with trio.open_nursery() as watching:
        watching.start_soon(lateness.watch)
        await trio.sleep(2 * PERIOD)  # it looks on from the first call on
        crowd.start()
        with trio.move_on_after(load.seconds + load.grace):
            async with trio.open_nursery() as nursery:
                for producer in range(load.producers):
                    nursery.start_soon(crowd.produce, producer)
        crowd.cut_off()
        watching.cancel_scope.cancel()
    return lateness.seconds


async def _in_threads(crowd: Crowd, model: Model, load: Load) -> list[float]:
    go = threading.Event()
    threads = [
        threading.Thread(target=_produce, args=(crowd, producer, go))
        for producer in range(load.producers)
    ]
    for thread in threads:
        thread.start()
    crowd.start()
    go.set()
    last = crowd.end + load.grace
    for thread in threads:
        thread.join(None if last == inf else max(0.0, last - time.perf_counter()))
    crowd.cut_off()
    model.close()
    for thread in threads:
        thread.join()
    return []


def _produce(crowd: Crowd, producer: int, go: threading.Event) -> None:
    go.wait()
    with suppress(CutOff, SchedulerClosed):
        finished(crowd.produce(producer))


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """The value of a coroutine that never has to wait for a loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    raise AssertionError("it waits for a loop")
