"""What a scheduler must hold by now: plain rows, and everything else computed from all of them.

Slow and obvious on purpose. A row knows which tasks it names and which of them it still waits
for; the rest of the model reads all rows at each question. Times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from scheduler import SchedulerError, Status
from scheduler.domain import ids
from scheduler.domain.task import UNFINISHED

BLOCKED, SCHEDULED, READY, RUNNING = Status.BLOCKED, Status.SCHEDULED, Status.READY, Status.RUNNING
COMPLETED, FAILED, CANCELLED = Status.COMPLETED, Status.FAILED, Status.CANCELLED
DEAD = frozenset({FAILED, CANCELLED})

CLOSE = 1e-4  # seconds: a clock that is read at different moments of one step
UNKNOWN = 1  # the number of no task
ANY, NOBODY = 20, 99  # choices: from here on any task, and none


@dataclass
class Row:
    """One task. `needs`: each task it names, and whether that must succeed."""

    number: int
    lane: str
    base: int
    source: str
    group: str | None
    limit_key: str | None
    key: str | None
    parent: int | None
    deadline: float | None
    not_before: float | None
    estimate: float
    max_attempts: int
    created: float
    request: object  # equal for equal requests
    needs: dict[int, bool]
    waits: set[int]  # of these, the ones that it still waits for
    depth: int = 0  # in the graph
    shown_depth: int = 0
    status: Status = BLOCKED
    attempt: int = 0
    ready: float | None = None
    started: float | None = None
    finished: float | None = None
    holder: str | None = None
    token: str | None = None
    leases: list[float] = field(default_factory=list)  # lengths, the newest last
    expires: float = 0.0
    over: tuple[str, str] | None = None  # the token and the verb that ended its last attempt
    result: Any = None
    cause: int | None = None
    history: list[tuple[int, str, str]] = field(default_factory=list)  # attempt, holder, outcome

    def copy(self) -> Row:
        return replace(
            self,
            needs=dict(self.needs),
            waits=set(self.waits),
            leases=list(self.leases),
            history=list(self.history),
        )

    @property
    def id(self) -> str:
        return ids.encode(self.number)

    @property
    def unfinished(self) -> bool:
        return self.status in UNFINISHED

    def stop_running(self, outcome: str) -> None:
        """Its attempt has ended so."""
        assert self.holder is not None
        self.history.append((self.attempt, self.holder, outcome))
        self.holder = self.token = None


@dataclass
class Bucket:
    """A limit. The bucket of a rate is full at `full_at`, if nothing is taken out."""

    concurrency: int | None
    starts: int | None
    per: float | None
    burst: int | None
    full_at: float = -inf

    @property
    def capacity(self) -> int:
        return self.burst or self.starts or 0

    @property
    def fills_in(self) -> float:
        """Seconds from empty to full."""
        return 0.0 if self.starts is None or self.per is None else self.capacity * self.interval

    @property
    def interval(self) -> float:
        """Seconds for one token."""
        return 0.0 if self.starts is None or self.per is None else self.per / self.starts

    def opens(self, now: float) -> float:
        """When it holds a token."""
        return max(now, self.full_at - self.fills_in + self.interval)

    def take(self, now: float) -> None:
        self.full_at = max(self.full_at, now) + self.interval

    def limit_to(self, now: float) -> None:
        """It cannot be emptier than empty."""
        self.full_at = min(self.full_at, now + self.fills_in)


@dataclass
class Asked:
    """A call under way, and what it has heard: a value or a SchedulerError."""

    done: bool = False
    heard: Any = None


@dataclass
class Waiting:
    """A claim that waits for something to do."""

    holder: str
    lanes: tuple[str, ...] | None
    limit: int
    lease: float
    until: float
    asked: Asked


@dataclass
class State:
    """See the module."""

    now: float
    fair: bool  # between groups: then only the order inside a group is known
    max_unfinished: int
    rows: dict[int, Row] = field(default_factory=dict)
    tokens: list[tuple[int, str]] = field(default_factory=list)  # every one that was given out
    paused: set[str] = field(default_factory=set)
    limits: dict[tuple[str, str], Bucket] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)  # of completed runs, by lane
    changed: set[int] = field(default_factory=set)  # since the feed was read last
    behind: float = 0.0  # what backward steps of the wall clock took away
    withdrawn: frozenset[int] = frozenset()  # being changed just now: a claim may miss them

    def copy(self) -> State:
        return replace(
            self,
            rows={number: row.copy() for number, row in self.rows.items()},
            tokens=list(self.tokens),
            paused=set(self.paused),
            limits={scope: replace(bucket) for scope, bucket in self.limits.items()},
            waiting=list(self.waiting),
            seconds={lane: list(runs) for lane, runs in self.seconds.items()},
            changed=set(self.changed),
        )

    # ------------------------------------------------------------- choices of a step

    def pick(self, index: int, *statuses: Status) -> int:
        """The number of a task in one of these statuses, the newest for 0.

        From ANY on, or if there is none of these, of any task; that of none for NOBODY.
        """
        rows = self.of(*statuses) if index < ANY else []
        numbers = sorted((row.number for row in rows or self.rows.values()), reverse=True)
        return numbers[index % len(numbers)] if numbers and index != NOBODY else UNKNOWN

    def pick_claim(self, index: int) -> tuple[int, str]:
        """A claim that holds its task; from ANY on, or if there is none, of any ever given out."""
        live = [(row.number, row.token) for row in self.of(RUNNING) if row.token is not None]
        claims = live if live and index < ANY else self.tokens
        return claims[-1 - index % len(claims)] if claims else (UNKNOWN, "nobody's")

    # ------------------------------------------------------------- all rows at a look

    def of(self, *statuses: Status) -> list[Row]:
        return [row for row in self.rows.values() if row.status in statuses]

    def unfinished(self) -> list[Row]:
        return [row for row in self.rows.values() if row.unfinished]

    def scopes(self, row: Row) -> list[tuple[str, str]]:
        scopes = [("agent_type", row.lane)]
        return scopes if row.limit_key is None else [*scopes, ("limit_key", row.limit_key)]

    def running(self, scope: tuple[str, str]) -> int:
        return sum(scope in self.scopes(row) for row in self.of(RUNNING))

    def may_start(self, row: Row) -> bool:
        """Whether neither a pause nor a limit holds it back."""
        if row.lane in self.paused:
            return False
        for scope in self.scopes(row):
            bucket = self.limits.get(scope)
            if bucket is None:
                continue
            if bucket.concurrency is not None and self.running(scope) >= bucket.concurrency:
                return False
            if bucket.opens(self.now) > self.now:
                return False
        return True

    def startable(self, lanes: Iterable[str] | None) -> list[Row]:
        return [
            row
            for row in self.of(READY)
            if (lanes is None or row.lane in lanes) and self.may_start(row)
        ]

    def must_start(self, lanes: Iterable[str] | None) -> list[Row]:
        """Those of the startable ones that no claim may miss."""
        return [row for row in self.startable(lanes) if row.number not in self.withdrawn]

    def ready_in(self, lane: str) -> list[Row]:
        return [row for row in self.of(READY) if row.lane == lane]

    def dependents(self, number: int) -> list[Row]:
        """Who waits for it."""
        return [row for row in self.unfinished() if number in row.waits]

    # ------------------------------------------------------------- moves

    def note(self, row: Row) -> None:
        self.changed.add(row.number)

    def place(self, row: Row) -> None:
        """What its prerequisites and its time make of an unfinished task that does not run."""
        self.note(row)
        if row.waits:
            row.status, row.ready = BLOCKED, None
        elif row.not_before is not None and row.not_before > self.now:
            row.status, row.ready = SCHEDULED, None
        elif row.status is not READY:
            row.status, row.ready = READY, self.now

    def name_all(self, row: Row) -> None:
        """It waits for every unfinished task that it names."""
        row.waits = {number for number in row.needs if self.is_unfinished(number)}

    def is_unfinished(self, number: int) -> bool:
        return number in self.rows and self.rows[number].unfinished

    def finish(self, row: Row, status: Status) -> tuple[set[int], set[int]]:
        """It ends so. The numbers of what is released by that, and of what falls with it."""
        self.note(row)
        row.status, row.finished = status, self.now
        dead = set() if status is COMPLETED else {row.number}
        fallen: set[int] = set()
        while more := {r.number for r in self.of(BLOCKED) if _must_fall(r, dead | fallen)} - fallen:
            fallen |= more
        row.waits = set()
        for number in fallen:
            gone = self.rows[number]
            gone.waits = set()
            gone.status, gone.finished, gone.cause = CANCELLED, self.now, row.number
            gone.over = None
            self.note(gone)
        released = set()
        for other in self.of(BLOCKED):
            before = set(other.waits)
            other.waits -= {row.number, *fallen}
            if before and not other.waits:
                released.add(other.number)
                self.place(other)
        return released, fallen

    def would_fall(self, number: int) -> set[int]:
        """What `finish` would take along if it did not succeed."""
        trial = self.copy()
        return trial.finish(trial.rows[number], CANCELLED)[1]


def _must_fall(row: Row, dead: set[int]) -> bool:
    return any(number in dead and row.needs[number] for number in row.waits)


def has_circle(waits: dict[int, set[int]]) -> bool:
    """Whether somebody waits, through others, for itself."""
    left = dict(waits)
    while free := [number for number, others in left.items() if not others & left.keys()]:
        for number in free:
            del left[number]
    return bool(left)


# ------------------------------------------------------------- what was heard


def refused(heard: Any, *codes: str) -> None:
    """The call must have been refused, with one of these codes."""
    assert isinstance(heard, SchedulerError), f"{codes} expected, heard {heard!r}"
    assert heard.code in codes, f"{codes} expected, heard {heard.code}: {heard}"


def accepted(heard: Any) -> Any:
    """The call must not have been refused."""
    assert not isinstance(heard, BaseException), f"refused: {heard!r}"
    return heard


def close(one: float | None, other: float | None) -> bool:
    """Whether two moments are the same, as far as they can be."""
    if one is None or other is None:
        return one is other
    return abs(one - other) < CLOSE
