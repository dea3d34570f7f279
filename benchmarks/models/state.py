"""One shared state and its store, for models that put a lock around both.

It is made of the parts in which the actors keep theirs, and does what their handlers do for the
three calls of `Model`: dependencies, inherited priorities, the order of the ready queue, learned
durations, leases with tokens, attempts, counters and change numbers.

What it lacks, beside all other commands of the product: keys, recovery of an existing file, ends
of leases and other timers, claims that wait, results that are handed on, and the healing of a
store: after an error of the disk the memory is ahead of the file, and the program must end.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

from actors import prerequisites, refusals
from actors.dependencies import Dependencies
from actors.holdings import Holdings
from actors.messages import Entry
from benchmarks.models.model import CHECKPOINT_PAGES, LEASE, LOOK_AT_LOG_EVERY, MAX_UNSAVED
from persistence.store import Batch, Durability, Store
from scheduler import Claim, SchedulerClosed, Status, Task
from scheduler.domain import lifecycle
from scheduler.domain.admission import make_task
from scheduler.domain.ids import IdMaker
from scheduler.domain.priority import SOURCE_SCORES, Weights
from scheduler.domain.request import Request

MAX_UNFINISHED = 1_000_000
TOKEN_BITS = 128


def _always(_lane: str, _limit_key: str | None) -> bool:
    return True


class SharedState:
    """See the module. Whoever calls holds the lock."""

    def __init__(self, store: Store, durability: Durability) -> None:
        self._store = store
        self._eager = durability != "accepted"
        self._ids = IdMaker(secrets.randbits)
        self._dependencies = Dependencies(SOURCE_SCORES, MAX_UNFINISHED)
        self._holdings = Holdings(Weights())
        self._completed = 0
        self._sequence = 0
        self._unsaved = Batch()
        self._commits = 0
        self.closed = False

    def enqueue(self, requests: Sequence[Request], now: float) -> list[Task]:
        """As `Model.enqueue`, of specs that have been proved."""
        self._check_open()
        numbers = [self._ids.next(now) for _ in requests]
        tasks = [
            make_task(request, number, numbers, None, now)
            for request, number in zip(requests, numbers, strict=True)
        ]
        self._check_prerequisites(tasks)
        self._dependencies.check_room(len(tasks))
        tasks = [self._dependencies.estimated(task) for task in tasks]
        self._dependencies.graph.admit(tasks)
        handed, kept = self._dependencies.place(tasks, now, lifecycle.open_new)
        made = self._hold(handed, now) + [self._holdings.score(entry, now) for entry in kept]
        for task in made:
            self._unsaved.insert(task, self._next_change())
        self._end_call(now)
        by_number = {task.number: task for task in made}
        return [by_number[number] for number in numbers]

    def claim(self, holder: str, limit: int, now: float) -> list[Claim]:
        """As `Model.claim`."""
        self._check_open()
        claims: list[Claim] = []
        while len(claims) < limit:
            task = self._holdings.take_best(None, _always)
            if task is None:
                break
            token = f"{secrets.randbits(TOKEN_BITS):032x}"
            running = lifecycle.claim(task, holder, token, LEASE, now)
            self._holdings.hold(running, self._holdings.facts[task.number], now)
            self._unsaved.move(running, self._next_change())
            claims.append(Claim(running, token))
        self._end_call(now)
        return claims

    def complete(self, claims: Sequence[Claim], results: Sequence[str], now: float) -> list[Task]:
        """As `Model.complete`, with JSON text. Raises LeaseLost, and then has changed nothing."""
        self._check_open()
        for claim in claims:
            held = self._holdings.tasks.get(claim.task.number)
            if held is None or held.token != claim.token:
                raise refusals.lease_lost(claim.task)
        completed = [
            self._complete(claim.task.number, result, now)
            for claim, result in zip(claims, results, strict=True)
        ]
        self._completed += len(completed)
        self._unsaved.finished[Status.COMPLETED] = self._completed
        self._unsaved.durations.update(self._dependencies.learn(completed))
        self._end_call(now)
        return completed

    def save(self) -> None:
        """Bring what is unsaved to the store, in one commit."""
        batch, self._unsaved = self._unsaved, Batch()
        if not batch:
            return
        batch.sequence = self._sequence
        for _ in self._store.write(batch):
            pass
        self._store.commit()
        self._commits += 1
        if self._commits % LOOK_AT_LOG_EVERY == 0 and self._store.wal_pages() > CHECKPOINT_PAGES:
            self._store.checkpoint()

    # ------------------------------------------------------------- parts of the calls

    def _check_open(self) -> None:
        if self.closed:
            raise SchedulerClosed("the scheduler is closed")

    def _check_prerequisites(self, tasks: Sequence[Task]) -> None:
        graph = self._dependencies.graph
        missing = prerequisites.unknown(tasks, graph, {})
        if missing:
            found = self._store.statuses(missing)
            known = {number: found.get(number) for number in missing}
            for task in tasks:
                prerequisites.check(task, graph, known)

    def _hold(self, entries: Sequence[Entry], now: float) -> list[Task]:
        scored = [self._holdings.score(entry, now) for entry in entries]
        self._holdings.hold_many(scored, entries, now)
        return scored

    def _complete(self, number: int, result: str, now: float) -> Task:
        task, _ = self._holdings.withdraw(number)
        completed = lifecycle.complete(task, result, now)
        self._unsaved.attempts.append(lifecycle.attempt_of(task, "completed", now))
        self._unsaved.move(completed, self._next_change())
        settlement = self._dependencies.graph.settle(number, succeeded=True)
        released = self._dependencies.release(settlement.released, now)
        for opened in self._hold(released, now):
            self._unsaved.move(opened, self._next_change())
        return completed

    def _next_change(self) -> int:
        self._sequence += 1
        return self._sequence

    def _end_call(self, now: float) -> None:
        """Let new facts reach those they concern, and save as the durability asks for it."""
        self._refresh(self._dependencies, now)
        if self._eager or len(self._unsaved) > MAX_UNSAVED:
            self.save()

    def _refresh(self, dependencies: Dependencies, now: float) -> None:
        while dependencies.graph.sweep():
            pass
        for number in dependencies.graph.take_changed():
            if number not in dependencies.held:
                self._holdings.update_facts(number, dependencies.graph.facts(number), now)
        self._touch(self._holdings.take_touched())

    def _touch(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            self._unsaved.touch(task)
