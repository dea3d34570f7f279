"""The store that keeps nothing: for ":memory:", tests and simulations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import chain, islice

from sortedcontainers import SortedDict

from persistence.store import (
    MEMORY,
    PAGE_EXAMINES,
    Batch,
    Duration,
    Edge,
    Filter,
    Loaded,
    Pruned,
    StorePage,
)
from scheduler.domain.limits import Limit, LimitScope
from scheduler.domain.recurrence import Schedule
from scheduler.domain.task import FINISHED, UNFINISHED, Attempt, Status, Task
from scheduler.domain.views import Change


class MemoryStore:
    """Implements Store; see there for what each method promises."""

    def __init__(self) -> None:
        self._tasks: SortedDict[int, Task] = SortedDict()
        self._sequences: dict[int, int] = {}
        self._feed: SortedDict[int, int] = SortedDict()  # sequence: number
        self._keys: dict[str, int] = {}
        self._dependents: dict[int, dict[int, bool]] = {}
        self._attempts: dict[int, list[Attempt]] = {}
        self._durations: dict[str, Duration] = {}
        self._paused: set[str] = set()
        self._limits: dict[LimitScope, Limit] = {}
        self._schedules: dict[str, Schedule] = {}
        self._receipts: dict[str, str] = {}
        self._finished = dict.fromkeys(FINISHED, 0)
        self._sequence = 0
        self._pruned_sequence = 0
        self._written: Batch | None = None

    @property
    def location(self) -> str:
        return MEMORY

    def announce(self, address: str | None) -> None:
        pass

    # ------------------------------------------------------------- writing

    def write(self, batch: Batch) -> Iterator[None]:
        self._written = batch
        yield

    def commit(self) -> None:
        batch, self._written = self._written, None
        if batch is None:
            return
        for number in batch.rewritten:
            self._forget(number)
        for task in chain(batch.rewritten.values(), batch.inserted.values()):
            self._link(task)
        for task in chain(batch.rewritten.values(), batch.inserted.values(), batch.moved.values()):
            self._put(task, batch.sequences[task.number])
        for number, task in batch.touched.items():
            self._put(task, self._sequences[number])
        for attempt in batch.attempts:
            known = self._attempts.setdefault(attempt.number, [])
            if not batch.again or attempt not in known:
                known.append(attempt)
        self._durations |= batch.durations
        for lane, stopped in batch.paused.items():
            (self._paused.add if stopped else self._paused.discard)(lane)
        self._settings(batch)
        self._receipts |= batch.receipts
        self._finished |= batch.finished
        self._sequence = self._sequence if batch.sequence is None else batch.sequence

    def _settings(self, batch: Batch) -> None:
        limits = self._limits | batch.limits
        self._limits = {scope: limit for scope, limit in limits.items() if not limit.empty}
        for name, schedule in batch.schedules.items():
            if schedule is None:
                self._schedules.pop(name, None)
            else:
                self._schedules[name] = schedule

    def rollback(self) -> None:
        self._written = None

    def _put(self, task: Task, sequence: int) -> None:
        number = task.number
        self._feed.pop(self._sequences.get(number, 0), None)
        self._tasks[number] = task
        self._sequences[number] = sequence
        self._feed[sequence] = number

    def _link(self, task: Task) -> None:
        for prerequisites, must_succeed in ((task.follows, False), (task.requires, True)):
            for prerequisite in prerequisites:
                edges = self._dependents.setdefault(prerequisite, {})
                edges[task.number] = must_succeed
        if task.key is not None:
            self._keys[task.key] = task.number

    def _forget(self, number: int) -> Task:
        """Take a task out, with its edges; the edges of others to it stay."""
        task: Task = self._tasks.pop(number)
        for prerequisite in {*task.requires, *task.follows}:
            edges = self._dependents[prerequisite]
            del edges[number]
            if not edges:
                del self._dependents[prerequisite]
        if task.key is not None:
            del self._keys[task.key]
        return task

    def prune(self, created_before: int, finished_before: float, after: int, limit: int) -> Pruned:
        numbers = self._tasks.irange(after, created_before, inclusive=(False, False))
        examined = list(islice(numbers, limit))
        removed: Counter[Status] = Counter()
        newest = 0
        for number in examined:
            if not self._is_forgettable(number, finished_before):
                continue
            removed[self._forget(number).status] += 1
            self._attempts.pop(number, None)
            sequence = self._sequences.pop(number)
            del self._feed[sequence]
            newest = max(newest, sequence)
        for status, count in removed.items():
            self._finished[status] -= count
        self._pruned_sequence = max(self._pruned_sequence, newest)
        return Pruned(examined[-1] if len(examined) == limit else 0, dict(removed), newest)

    def _is_forgettable(self, number: int, finished_before: float) -> bool:
        task = self._tasks[number]
        finished = task.finished_s
        return (
            task.status in FINISHED
            and finished is not None
            and finished < finished_before
            and all(self._tasks[n].status in FINISHED for n in self._dependents.get(number, ()))
        )

    def wal_pages(self) -> int:
        return 0

    def checkpoint(self) -> None:
        return None

    def close(self) -> None:
        return None

    # ------------------------------------------------------------- reading

    def load(self) -> Loaded:
        tasks = [task for task in self._tasks.values() if task.status in UNFINISHED]
        ends = {end for task in tasks for end in (*task.requires, *task.follows)}
        found = self.statuses(ends)
        return Loaded(
            tasks=tasks,
            outside={number: status for number, status in found.items() if status in FINISHED},
            durations=dict(self._durations),
            paused=set(self._paused),
            limits=[self._limits[scope] for scope in sorted(self._limits)],
            schedules=sorted(self._schedules.values(), key=lambda schedule: schedule.name),
            finished=dict(self._finished),
            sequence=self._sequence,
            largest=self._tasks.peekitem()[0] if self._tasks else 0,
            pruned_sequence=self._pruned_sequence,
        )

    def statuses(self, numbers: Collection[int]) -> dict[int, Status]:
        return {number: task.status for number, task in self.tasks(numbers).items()}

    def tasks(self, numbers: Collection[int]) -> dict[int, Task]:
        known = self._tasks
        return {number: known[number] for number in numbers if number in known}

    def results(self, numbers: Collection[int]) -> dict[int, str]:
        return {
            number: task.result_json
            for number, task in self.tasks(numbers).items()
            if task.result_json is not None
        }

    def by_keys(self, keys: Collection[str]) -> dict[str, Task]:
        return {key: self._tasks[self._keys[key]] for key in keys if key in self._keys}

    def fallen_with(self, root: int) -> list[Task]:
        fallen: dict[int, Task] = {}
        ahead = [root]
        while ahead:
            for number in self._dependents.get(ahead.pop(), ()):
                task = self._tasks[number]
                fell = task.cause_number == root and task.status is Status.CANCELLED
                if fell and number not in fallen:
                    fallen[number] = task
                    ahead.append(number)
        return [fallen[number] for number in sorted(fallen) if number != root]

    def dependents(self, number: int) -> list[Edge]:
        edges: Mapping[int, bool] = self._dependents.get(number, {})
        return [Edge(task, number, must_succeed) for task, must_succeed in sorted(edges.items())]

    def attempts(self, number: int) -> list[Attempt]:
        return list(self._attempts.get(number, ()))

    def receipt(self, request: str) -> str | None:
        return self._receipts.get(request)

    def changes(self, since: int, limit: int) -> list[Change]:
        sequences = islice(self._feed.irange(since, inclusive=(False, True)), limit)
        return [Change(sequence, self._tasks[self._feed[sequence]]) for sequence in sequences]

    def page(self, where: Filter, below: int | None, limit: int) -> StorePage:
        found: list[Task] = []
        examined, last = 0, None
        for number in self._tasks.irange(None, below, inclusive=(True, False), reverse=True):
            task = self._tasks[number]
            examined, last = examined + 1, number
            if where.admits(task):
                if len(found) == limit:
                    return StorePage(tuple(found), found[-1].number, True)
                found.append(task)
            if examined == PAGE_EXAMINES + limit:
                return StorePage(tuple(found), last, True)
        return StorePage(tuple(found), None, False)
