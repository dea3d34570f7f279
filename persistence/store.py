"""What the persister asks of a store, whatever it writes to.

A store is synchronous and knows nothing of actors. Everything that one command changed is in
one `Batch`; a batch is written in one transaction: `write` (in slices, so that a caller can
breathe between them), then `commit`, or `rollback` after any error. Reading is allowed between
transactions only. Whoever calls sees to it that one thread at a time uses the store.

A task comes back with its edges, in any order; of two edges to one prerequisite, one that must
succeed and one that must only end, the first may stand for both.

Errors: StoreError and its subclasses from `scheduler.domain.errors`, nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal, Protocol

import msgspec

from scheduler.domain.durations import Duration as Duration
from scheduler.domain.limits import Limit, LimitScope
from scheduler.domain.recurrence import Schedule
from scheduler.domain.task import Attempt, Status, Task
from scheduler.domain.views import Change

Durability = Literal["synced", "committed", "accepted"]  # docs/durability.md says what each keeps

MEMORY = ":memory:"  # the location of a store without a file
# Rows that a page looks at, at the most, beside those it may return: about half a millisecond.
PAGE_EXAMINES = 2_500
PAGE_LOOKS_UP = 300  # instead, where an index leads to rows that lie here and there


class Filter(msgspec.Struct, frozen=True):
    """Which tasks a page holds; None means any."""

    statuses: frozenset[Status] | None = None
    source: str | None = None
    agent_type: str | None = None
    group: str | None = None

    def admits(self, task: Task) -> bool:
        return (
            (self.statuses is None or task.status in self.statuses)
            and (self.source is None or task.source == self.source)
            and (self.agent_type is None or task.agent_type == self.agent_type)
            and (self.group is None or task.group == self.group)
        )


class StorePage(msgspec.Struct, frozen=True):
    """Tasks in falling order of number; the next page is below `last`, None at the end."""

    tasks: tuple[Task, ...]
    last: int | None
    has_more: bool


class Edge(msgspec.Struct, frozen=True, gc=False):
    """`number` waits for `prerequisite`, which must succeed or only end."""

    number: int
    prerequisite: int
    must_succeed: bool


class Loaded(msgspec.Struct):
    """What a scheduler needs to go on where the last one stopped.

    `tasks`: all unfinished ones, in rising order of number, with their edges. `outside`: the
    statuses of finished tasks that these depend on. `finished`: how many have ended, and how.
    """

    tasks: list[Task]
    outside: dict[int, Status]
    durations: dict[str, Duration]
    paused: set[str]
    limits: list[Limit]
    schedules: list[Schedule]
    finished: dict[Status, int]
    sequence: int
    largest: int
    pruned_sequence: int


class Pruned(msgspec.Struct, frozen=True):
    """What a step of pruning did.

    `last`: the last number examined, or 0 at the end; `removed`: how many of each status;
    `sequence`: the newest change that was removed, or 0.
    """

    last: int
    removed: dict[Status, int]
    sequence: int


class Batch:
    """Changes that reach the store together. A task stands in it once, in its latest state.

    `inserted`: rows that the store has not seen. `moved`: state columns changed.
    `rewritten`: any column, and edges, changed. `touched`: state columns changed, but no change
    in the feed (heartbeats). `sequences`: the change number of each of the first three.
    `limits`: an empty one is to be forgotten, and so is a schedule that is None.
    `again`: it holds what was written before, by a commit of which nobody knows the outcome.
    `receipts`: by request id, what came of it (JSON text); not a change by themselves.
    `finished`: how many tasks of a finished status there are after the batch, where that changed.
    `sequence`: of the newest change in it; None while there is none.
    """

    __slots__ = (
        "again",
        "attempts",
        "durations",
        "finished",
        "inserted",
        "limits",
        "moved",
        "paused",
        "receipts",
        "rewritten",
        "schedules",
        "sequence",
        "sequences",
        "touched",
    )

    def __init__(self) -> None:
        self.again = False
        self.inserted: dict[int, Task] = {}
        self.moved: dict[int, Task] = {}
        self.rewritten: dict[int, Task] = {}
        self.touched: dict[int, Task] = {}
        self.sequences: dict[int, int] = {}
        self.attempts: list[Attempt] = []
        self.durations: dict[str, Duration] = {}
        self.paused: dict[str, bool] = {}
        self.limits: dict[LimitScope, Limit] = {}
        self.schedules: dict[str, Schedule | None] = {}
        self.receipts: dict[str, str] = {}
        self.finished: dict[Status, int] = {}
        self.sequence: int | None = None

    def insert(self, task: Task, sequence: int) -> None:
        self.inserted[task.number] = task
        self.sequences[task.number] = sequence

    def move(self, task: Task, sequence: int) -> None:
        number = task.number
        self.sequences[number] = sequence
        self.touched.pop(number, None)
        if number in self.inserted:
            self.inserted[number] = task
        elif number in self.rewritten:
            self.rewritten[number] = task
        else:
            self.moved[number] = task

    def rewrite(self, task: Task, sequence: int) -> None:
        number = task.number
        self.sequences[number] = sequence
        self.touched.pop(number, None)
        if number in self.inserted:
            self.inserted[number] = task
        else:
            self.moved.pop(number, None)
            self.rewritten[number] = task

    def touch(self, task: Task) -> None:
        number = task.number
        for rows in (self.inserted, self.rewritten, self.moved):
            if number in rows:
                rows[number] = task
                return
        self.touched[number] = task

    def absorb(self, newer: Batch) -> None:
        """Add what came later, so that a batch whose commit failed is written again with it."""
        self.again = True
        for number, task in newer.inserted.items():
            self.insert(task, newer.sequences[number])
        for number, task in newer.rewritten.items():
            self.rewrite(task, newer.sequences[number])
        for number, task in newer.moved.items():
            self.move(task, newer.sequences[number])
        for task in newer.touched.values():
            self.touch(task)
        self.attempts += newer.attempts
        self.durations |= newer.durations
        self.paused |= newer.paused
        self.limits |= newer.limits
        self.schedules |= newer.schedules
        self.receipts |= newer.receipts
        self.finished |= newer.finished
        self.sequence = self.sequence if newer.sequence is None else newer.sequence

    def get(self, number: int) -> Task | None:
        """The task as this batch holds it."""
        return (
            self.inserted.get(number)
            or self.moved.get(number)
            or self.rewritten.get(number)
            or self.touched.get(number)
        )

    def __bool__(self) -> bool:
        return bool(self.sequences) or len(self) > 0

    def __len__(self) -> int:
        """How many changes of tasks, lanes, limits and schedules wait here."""
        return (
            len(self.sequences)  # one for each that was inserted, moved or rewritten
            + len(self.touched)
            + len(self.durations)
            + len(self.paused)
            + len(self.limits)
            + len(self.schedules)
        )


class Store(Protocol):
    """See the module's docstring for the rules of use."""

    @property
    def location(self) -> str:
        """The file's absolute path, or ":memory:"."""
        ...

    def announce(self, address: str | None) -> None:
        """Tell other processes at which Unix socket they are served; None: not any more."""
        ...

    def load(self) -> Loaded:
        """Everything that is unfinished, and the counters."""
        ...

    def write(self, batch: Batch) -> Iterator[None]:
        """Write a batch inside one open transaction, yielding after each slice of rows.

        The caller runs the iterator to its end, then calls `commit`.
        """
        ...

    def commit(self) -> None:
        """Make what was written last: durable to the degree the store was opened with."""
        ...

    def rollback(self) -> None:
        """Forget what was written since the last commit. Never raises."""
        ...

    def statuses(self, numbers: Collection[int]) -> dict[int, Status]:
        """The statuses of those of the tasks that exist."""
        ...

    def tasks(self, numbers: Collection[int]) -> dict[int, Task]:
        """Those of the tasks that exist, with their edges."""
        ...

    def results(self, numbers: Collection[int]) -> dict[int, str]:
        """The results (JSON text) of those of the tasks that left one."""
        ...

    def by_keys(self, keys: Collection[str]) -> dict[str, Task]:
        """The tasks that have these idempotency keys, with their edges."""
        ...

    def fallen_with(self, root: int) -> list[Task]:
        """The tasks that were cancelled because `root` failed or was cancelled, by number."""
        ...

    def dependents(self, number: int) -> list[Edge]:
        """The edges from tasks that wait, or waited, for this one, by number."""
        ...

    def attempts(self, number: int) -> list[Attempt]:
        """The attempts of a task that have ended, oldest first."""
        ...

    def page(self, where: Filter, below: int | None, limit: int) -> StorePage:
        """Up to `limit` tasks numbered below `below`, newest first.

        Examines at most PAGE_EXAMINES + `limit` rows, and where an index leads to them,
        PAGE_LOOKS_UP + `limit`.
        """
        ...

    def receipt(self, request: str) -> str | None:
        """What came of a request, if it was written less than an hour ago."""
        ...

    def changes(self, since: int, limit: int) -> list[Change]:
        """Tasks that changed after sequence `since`, in the order of their last change."""
        ...

    def prune(self, created_before: int, finished_before: float, after: int, limit: int) -> Pruned:
        """Delete finished tasks, in one transaction of its own, bounded.

        Examines up to `limit` numbers above `after` and below `created_before`; deletes those
        that finished before `finished_before` (Unix seconds) and that no unfinished task
        depends on. The counters on record are brought up to date with it.
        """
        ...

    def wal_pages(self) -> int:
        """How many pages wait in the write-ahead log for a checkpoint; 0 where there is none."""
        ...

    def checkpoint(self) -> None:
        """Bring the write-ahead log into the database."""
        ...

    def close(self) -> None:
        """Checkpoint, close and give up ownership. Never raises; may be called twice."""
        ...
