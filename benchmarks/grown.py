"""A file with so many unfinished tasks, and what single calls cost in it.

Whatever a call adds is taken away again before the next one, so that the number of unfinished
tasks stays what it is. The file is `committed`: waiting for the disk would hide how calls grow.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from actors import commands as c
from actors import messages as m
from actors.collecting import no_collection
from actors.reply import Reply
from benchmarks.filling import fill
from benchmarks.pipeline import Pipeline, enqueue
from benchmarks.sections.throughput import made
from benchmarks.workload import CHAIN, spec
from persistence.sqlite import SQLiteStore, open_sqlite
from persistence.store import Filter
from scheduler import Status, Task, TaskSpec
from scheduler.domain.views import Claim

MODELS = 1_000
CASCADE = 100  # tasks that a cancelled one takes with it
DEPENDENTS = (1, 10, 100)
LANE, DEPENDENTS_LANE = "measured", "measured-dependents"  # agent types claimed before all others


def chained(count: int) -> Iterator[Task]:
    """Unfinished tasks in chains of ten, numbered from 1."""
    models = made(MODELS)
    for place in range(count):
        requires = (place,) if place % CHAIN else ()
        yield replace(models[place % MODELS], number=place + 1, requires=requires)


class Grown:
    """See the module. `close` it at the end."""

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self.size = size
        fill(path, chained(size))
        self.store: SQLiteStore = open_sqlite(path, durability="committed")
        self._pipeline: Pipeline | None = None

    def close(self) -> None:
        self._pipeline = None
        self.store.close()

    def recover(self) -> float:
        """Seconds until new actors hold what is unfinished; the old ones are forgotten before."""
        self._pipeline = None
        began = time.perf_counter()
        with no_collection():
            self._pipeline = Pipeline(self.store)
        seconds = time.perf_counter() - began
        assert len(self._pipeline.resolver.dependencies.graph) == self.size
        return seconds

    def plan(self) -> float:
        """Seconds for a plan of everything."""
        return self._timed(c.MakePlan(None, None, None, Reply()))[0]

    def calls(self) -> Iterator[tuple[str, float]]:
        """Each kind of call once, with its seconds."""
        yield "enqueue 1", self._enqueue()
        yield "resolve, 1 dependent", self._resolve()
        yield "change a priority", self._change_priority()
        yield "claim 1", self._claim()
        for dependents in DEPENDENTS:
            name = f"complete, {dependents} dependent{'s' * (dependents > 1)}"
            yield name, self._complete(dependents)
        yield f"cancel a chain of {CASCADE}", self._cancel()
        yield "list a page of 50", self._timed(c.ListTasks(Filter(), None, 50, Reply()))[0]
        yield "queue status", self._timed(c.GetQueueStatus(Reply()))[0]

    def _enqueue(self) -> float:
        seconds, (task,) = self._timed(enqueue([spec(0)]))
        self._forget(task)
        return seconds

    def _resolve(self) -> float:
        """At the resolver alone: a task ends, and one that waited for it is released."""
        assert self._pipeline is not None, "recover first"
        resolver, now = self._pipeline.resolver, time.time()
        model = made(MODELS)[0]
        root = replace(model, number=2 * self.size + 1_000_000)
        waiting = replace(
            root,
            number=root.number + 1,
            requires=(root.number,),
            status=Status.BLOCKED,
            ready_s=None,
        )
        resolver.handle(m.Admit([root, waiting], []), now)
        ended = m.Settled([_ended(root, now)])
        began = time.perf_counter()
        posts = resolver.handle(ended, now)
        seconds = time.perf_counter() - began
        ((_, resolved),) = posts
        assert isinstance(resolved, m.Resolved) and len(resolved.handed) == 1
        resolver.handle(m.Settled([_ended(waiting, now)]), now)
        return seconds

    def _change_priority(self) -> float:
        """Of a ready task, which changes its place in the queue."""
        _, (task,) = self._timed(enqueue([spec(0)]))
        seconds, _ = self._timed(c.Update(task.number, {"base_priority": 9}, Reply()))
        self._forget(task)
        return seconds

    def _claim(self) -> float:
        seconds, (claimed,) = self._timed(_claim())
        self._timed(c.Release(_finish(claimed, "release"), Reply()))
        return seconds

    def _complete(self, dependents: int) -> float:
        """A task for which so many wait."""
        root = replace(spec(0), agent_type=LANE)
        waiting = [replace(spec(0, [root]), agent_type=DEPENDENTS_LANE) for _ in range(dependents)]
        self._timed(enqueue([root, *waiting]))
        (claimed,) = self._timed(_claim(LANE))[1]
        seconds, _ = self._timed(c.Complete((_finish(claimed),), Reply()))
        _, released = self._timed(_claim(DEPENDENTS_LANE, limit=dependents))
        assert len(released) == dependents
        self._timed(c.Complete(tuple(map(_finish, released)), Reply()))
        return seconds

    def _cancel(self) -> float:
        """The first task of a chain."""
        specs: list[TaskSpec] = []
        for place in range(CASCADE):
            specs.append(spec(place, specs[-1:]))
        _, tasks = self._timed(enqueue(specs))
        return self._forget(tasks[0])

    def _forget(self, task: Task) -> float:
        return self._timed(c.Cancel(task.number, None, False, Reply()))[0]

    def _timed(self, command: Any) -> tuple[float, Any]:
        assert self._pipeline is not None, "recover first"
        began = time.perf_counter()
        answer = self._pipeline.ask(command)
        return time.perf_counter() - began, answer


def _claim(*agent_types: str, limit: int = 1) -> c.ClaimReady:
    return c.ClaimReady("worker", agent_types or None, limit, 300.0, 0.0, Reply())


def _finish(claim: Claim, verb: Any = "complete") -> c.Finish:
    return c.Finish(verb, claim.task.number, claim.token)


def _ended(task: Task, now: float) -> Task:
    return replace(task, status=Status.COMPLETED, started_s=now, finished_s=now)
