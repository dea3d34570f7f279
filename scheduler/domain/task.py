"""What a task is: an immutable value, the same in memory, in the file and in a caller's hands.

The fields of `Task` are the columns of its row, in their order, so that writing a task is
`astuple` and reading one is a call. What is stored in a compact form (times as Unix seconds,
payloads as JSON text, ids as ints) is offered to people by the properties below the fields.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

import msgspec

from scheduler.domain import ids
from scheduler.domain.encoding import stored_json

Outcome = Literal["completed", "failed", "released", "expired", "cancelled", "interrupted"]


class Status(StrEnum):
    """Where a task stands. `lifecycle.MOVES` says how it can go on."""

    BLOCKED = "blocked"  # waits for prerequisites
    SCHEDULED = "scheduled"  # waits for a time
    READY = "ready"  # waits for a worker
    RUNNING = "running"  # leased to a worker
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        return self in FINISHED


FINISHED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})
PENDING = frozenset({Status.BLOCKED, Status.SCHEDULED, Status.READY})
UNFINISHED = PENDING | {Status.RUNNING}


class Lease(msgspec.Struct, frozen=True):
    """Who holds a running task, and until when unless it sends a heartbeat."""

    holder: str
    expires_at: datetime


class Task(msgspec.Struct, frozen=True, gc=False, eq=False, repr_omit_defaults=True):
    """A unit of work. Names ending in `_s` are Unix seconds, or a number of seconds.

    Up to `dependency_depth` stands what was asked for, from `status` on what became of it.
    """

    number: int
    description: str
    summary: str
    source: str
    agent_type: str
    base_priority: int
    deadline_s: float | None
    estimated_duration: float
    payload_json: str | None
    key: str | None
    request_hash: str | None
    group: str | None
    parent: int | None
    max_attempts: int
    timeout: float | None
    limit_key: str | None
    traceparent: str | None
    created_s: float
    dependency_depth: int = 0

    status: Status = Status.BLOCKED
    revision: int = 1
    attempt: int = 0
    priority: float = 0.0
    not_before_s: float | None = None
    ready_s: float | None = None
    started_s: float | None = None
    finished_s: float | None = None
    holder: str | None = None
    token: str | None = None
    lease_s: float | None = None
    lease_expires_s: float | None = None
    progress: float | None = None
    note: str | None = None
    result_json: str | None = None
    error: str | None = None
    cause_number: int | None = None

    # Not columns of the row: the edges have a table of their own.
    requires: tuple[int, ...] = ()
    follows: tuple[int, ...] = ()
    existing: bool = False

    @property
    def id(self) -> str:
        return ids.encode(self.number)

    @property
    def prerequisites(self) -> tuple[str, ...]:
        """Ids of the tasks that must succeed first."""
        return tuple(map(ids.encode, self.requires))

    @property
    def run_after(self) -> tuple[str, ...]:
        """Ids of the tasks that must only end first, however they end."""
        return tuple(map(ids.encode, self.follows))

    @property
    def parent_id(self) -> str | None:
        return None if self.parent is None else ids.encode(self.parent)

    @property
    def cause(self) -> str | None:
        """Id of the task whose failure or cancellation took this one with it."""
        return None if self.cause_number is None else ids.encode(self.cause_number)

    @property
    def payload(self) -> Any:
        return None if self.payload_json is None else stored_json(self.payload_json)

    @property
    def result(self) -> Any:
        return None if self.result_json is None else stored_json(self.result_json)

    @property
    def lease(self) -> Lease | None:
        """The holder and expiry while the task runs; never the token."""
        if self.status is not Status.RUNNING:
            return None
        assert self.holder is not None and self.lease_expires_s is not None
        return Lease(self.holder, moment(self.lease_expires_s))

    @property
    def created_at(self) -> datetime:
        return moment(self.created_s)

    @property
    def deadline(self) -> datetime | None:
        return optional_moment(self.deadline_s)

    @property
    def not_before(self) -> datetime | None:
        """The earliest start: asked for, or set by the back-off after a failed attempt."""
        return optional_moment(self.not_before_s)

    @property
    def ready_at(self) -> datetime | None:
        return optional_moment(self.ready_s)

    @property
    def started_at(self) -> datetime | None:
        return optional_moment(self.started_s)

    @property
    def finished_at(self) -> datetime | None:
        return optional_moment(self.finished_s)

    def __repr__(self) -> str:
        return f"<Task {self.id} {self.status}: {self.summary!r}>"


COLUMNS: tuple[str, ...] = Task.__struct_fields__[:-3]
ASKED_COLUMNS: tuple[str, ...] = COLUMNS[: COLUMNS.index("status")]
STATE_COLUMNS: tuple[str, ...] = COLUMNS[COLUMNS.index("status") :]
COMMON_COLUMNS = (  # the others are None in most new tasks
    "number", "description", "summary", "source", "agent_type", "base_priority",
    "estimated_duration", "payload_json", "max_attempts", "created_s", "dependency_depth",
    "status", "revision", "attempt", "priority", "ready_s",
)  # fmt: skip
RARE_COLUMNS: tuple[str, ...] = tuple(name for name in COLUMNS if name not in COMMON_COLUMNS)


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One worker's try at a task, written when it has ended. Times are Unix seconds."""

    number: int  # of the task
    attempt: int
    holder: str
    started_s: float
    ended_s: float
    outcome: Outcome
    error: str | None = None


EARLIEST, LATEST = 0.0, 221_845_392_000.0  # Unix seconds: the years 1970 to 8999


def moment(seconds: float) -> datetime:
    """Unix seconds as an aware datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def utc_text(time: datetime) -> str:
    """ISO 8601 in UTC, as it stands in answers and messages: it ends in Z.

    >>> utc_text(moment(1.5))
    '1970-01-01T00:00:01.500000Z'
    """
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def optional_moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment(seconds)
