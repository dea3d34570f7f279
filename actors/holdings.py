"""The tasks that the prioritizer holds, their scores, and the moments at which they change.

Every task whose prerequisites are met stands here: SCHEDULED and RUNNING ones with a timer,
READY ones in the queue and, if a deadline makes their score rise, in the index of moments at
which to score them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from math import inf

from msgspec.structs import replace
from sortedcontainers import SortedList

from actors.messages import Entry
from scheduler.domain import priority
from scheduler.domain.limits import Limits, LimitScope
from scheduler.domain.priority import Facts, Weights
from scheduler.domain.ready_queue import LineName, ReadyQueue
from scheduler.domain.task import Status, Task
from scheduler.domain.turns import IsOpen

FEW = 1_000  # outdated timers are kept as long as they are not more
TIMERS_A_TURN = 1_000
RESCORED_A_TURN = 500
BULK = 64  # from so many tasks on, one sort is cheaper than single insertions


class Holdings:
    """See the module. Whoever changes a task puts the new value back with `hold`."""

    def __init__(self, weights: Weights) -> None:
        self.tasks: dict[int, Task] = {}
        self.facts: dict[int, Facts] = {}
        self.limits = Limits()
        self.queue = ReadyQueue(weights.fairness, self.limits.weight)
        self.fresh: set[str] = set()  # lanes in which a task may start since the last look
        self._touched: dict[int, Task] = {}
        self.weights = weights
        self._timers: list[tuple[float, int]] = []  # heap; an entry may be outdated
        self._moments: dict[int, float] = {}
        self._moments_in_order: SortedList[tuple[float, int]] = SortedList()

    # ------------------------------------------------------------- in and out

    def score(self, entry: Entry, now: float) -> Task:
        """The task with its priority as of now."""
        task = entry.task
        points = priority.score(entry.facts, task.estimated_duration, now, self.weights)
        return replace(task, priority=points)

    def hold(self, task: Task, facts: Facts, now: float) -> None:
        """Take a task in, or put a changed one back."""
        number = task.number
        self.tasks[number] = task
        self.facts[number] = facts
        status = task.status
        if status is Status.READY:
            self.queue.add(_line_of(task), number, self._key(task))
            self.fresh.add(task.agent_type)
            if facts.due < inf:
                self._watch_deadline(task, facts, now)
            return
        if status is Status.RUNNING:
            self.limits.attempt_lives(task)
        self._set_timer(task)

    def start(self, task: Task) -> None:
        """Put back a task that `take_best` gave, now that it is leased."""
        self.tasks[task.number] = task
        self.limits.attempt_lives(task)
        self._set_timer(task)

    def score_and_hold(self, task: Task, facts: Facts, now: float) -> Task:
        """The task with its priority as of now, held."""
        scored = self.score(Entry(task, facts), now)
        self.hold(scored, facts, now)
        return scored

    def _set_timer(self, task: Task) -> None:
        if len(self._timers) > FEW + 2 * len(self.tasks):  # mostly of tasks that have left
            self._timers = [
                (moment, number)
                for number, held in self.tasks.items()
                if (moment := _moment_of(held)) is not None and number != task.number
            ]
            heapify(self._timers)
        moment = _moment_of(task)
        assert moment is not None
        heappush(self._timers, (moment, task.number))

    def hold_many(self, tasks: Sequence[Task], entries: Sequence[Entry], now: float) -> None:
        """The same for several scored tasks at once."""
        if len(entries) < BULK:
            for task, entry in zip(tasks, entries, strict=True):
                self.hold(task, entry.facts, now)
            return
        lines: dict[LineName, list[tuple[float, int]]] = {}
        for task, entry in zip(tasks, entries, strict=True):
            if task.status is not Status.READY:
                self.hold(task, entry.facts, now)
                continue
            self.tasks[task.number] = task
            self.facts[task.number] = entry.facts
            lines.setdefault(_line_of(task), []).append((self._key(task), task.number))
            if entry.facts.due < inf:
                self._watch_deadline(task, entry.facts, now)
        for line, keys in lines.items():
            self.queue.add_many(line, keys)
            self.fresh.add(line[0])

    def withdraw(self, number: int, *, settling: bool = False) -> tuple[Task, Facts]:
        """Take a task out altogether.

        The attempt of one that is `settling`, on its way to the resolver, counts until `settled`:
        or else the next one would start, and be on record, before this one has ended there.
        """
        task = self.tasks.pop(number)
        if task.status is Status.READY:
            self.queue.remove(number)
            self._forget_moment(number)
        elif task.status is Status.RUNNING and not settling:
            self.settled(task)
        return task, self.facts.pop(number)

    def settled(self, task: Task) -> None:
        """The attempt of this task, if it had one, has ended: another may start in its place."""
        for scope in self.limits.attempt_ended(task):
            self.reopen(scope)

    def reopen(self, scope: LimitScope) -> None:
        """Tasks that this limit held back, or a pause of their lane, may start again."""
        kind, name = scope
        if kind == "agent_type":
            self.fresh.update(self.queue.reopen_lane(name))
        elif kind == "limit_key":
            self.fresh.update(self.queue.reopen_limit_key(name))

    def take_best(self, lanes: Iterable[str] | None, is_open: IsOpen | None) -> Task | None:
        """Take the ready task whose turn it is; it stays held, for its claim."""
        number = self.queue.pop(lanes, is_open)
        if number is None:
            return None
        self._forget_moment(number)
        return self.tasks[number]

    def replace_running(self, task: Task) -> None:
        """Put back a RUNNING task whose lease or facts changed, but not its status."""
        old = self.tasks[task.number]
        self.tasks[task.number] = task
        assert task.lease_expires_s is not None
        assert old.lease_expires_s is not None
        if task.lease_expires_s < old.lease_expires_s:
            self._set_timer(task)

    def _key(self, task: Task) -> float:
        assert task.ready_s is not None
        return priority.sort_key(task.priority, task.ready_s, self.weights)

    # ------------------------------------------------------------- scores that move

    def update_facts(self, number: int, facts: Facts, now: float) -> None:
        """What the graph says of a task has changed."""
        if number in self.tasks:  # else it is on its way here, with newer facts
            self.facts[number] = facts
            self._rescore(number, now)

    def _rescore(self, number: int, now: float) -> None:
        task, facts = self.tasks[number], self.facts[number]
        scored = self.score(Entry(task, facts), now)
        if task.status is Status.READY:
            self.queue.rekey(number, self._key(scored))
            self._forget_moment(number)
            if facts.due < inf:
                self._watch_deadline(scored, facts, now)
        if scored.priority != task.priority:
            self.tasks[number] = scored
            self.touch(scored)

    def touch(self, task: Task) -> None:
        """Note a new score or lease: to be recorded, but no change in the feed."""
        self._touched[task.number] = task

    def take_touched(self) -> list[Task]:
        """What was touched since the last call."""
        touched, self._touched = self._touched, {}
        return list(touched.values())

    def _watch_deadline(self, task: Task, facts: Facts, now: float) -> None:
        moment = priority.next_change(facts, task.estimated_duration, now)
        if moment < inf:
            self._moments[task.number] = moment
            self._moments_in_order.add((moment, task.number))

    def _forget_moment(self, number: int) -> None:
        moment = self._moments.pop(number, None)
        if moment is not None:
            self._moments_in_order.remove((moment, number))

    # ------------------------------------------------------------- time

    def due(self) -> float:
        """The earliest moment at which a timer or a limit ends or a score moves; else inf."""
        timer = self._timers[0][0] if self._timers else inf
        moment = self._moments_in_order[0][0] if self._moments else inf
        return min(timer, moment, self.limits.due())

    def rescore_due(self, now: float) -> None:
        """Score again what a deadline has made more urgent; a bounded number a turn."""
        for _ in range(RESCORED_A_TURN):
            if not self._moments_in_order or self._moments_in_order[0][0] > now:
                break
            self._rescore(self._moments_in_order[0][1], now)

    def take_timers(self, now: float) -> list[Task]:
        """The SCHEDULED tasks whose time has come and the RUNNING ones whose lease has ended."""
        ended: dict[int, Task] = {}
        for _ in range(TIMERS_A_TURN):
            if not self._timers or self._timers[0][0] > now:
                break
            _, number = heappop(self._timers)
            task = self.tasks.get(number)
            actual = None if task is None else _moment_of(task)
            if task is None or actual is None:
                continue
            if actual > now:  # a heartbeat came; look again then
                heappush(self._timers, (actual, number))
            else:
                ended[number] = task
        return list(ended.values())

    def running(self) -> list[Task]:
        """All RUNNING tasks; O(held)."""
        return [task for task in self.tasks.values() if task.status is Status.RUNNING]


def _line_of(task: Task) -> LineName:
    return task.agent_type, task.group, task.limit_key


def _moment_of(task: Task) -> float | None:
    if task.status is Status.RUNNING:
        return task.lease_expires_s
    return task.not_before_s if task.status is Status.SCHEDULED else None
