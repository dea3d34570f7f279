"""What the calls of a scheduler return, apart from tasks themselves. All are immutable.

Ids are strings, durations seconds, times aware datetimes in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from scheduler.domain.limits import LimitKind
from scheduler.domain.task import Attempt, Status, Task, moment


class Claim(msgspec.Struct, frozen=True, eq=False):
    """A task to work on, and the proof that it is yours until the lease expires.

    `results` maps the id of each task that it waited for (prerequisites and run_after) and that
    left a result to that result; `truncated` says that some were left out because all together
    they pass 256 KiB.
    """

    task: Task
    token: str
    results: dict[str, Any] = {}
    truncated: bool = False

    @property
    def expires_at(self) -> datetime:
        """When the lease ends, as of the claim; `heartbeat` returns the new moment."""
        assert self.task.lease_expires_s is not None
        return moment(self.task.lease_expires_s)

    def __repr__(self) -> str:
        return f"<Claim of {self.task!r}>"


class Ended(msgspec.Struct, frozen=True):
    """What `complete`, `fail` or `release` did.

    `task` after the call; `released`: ids that became claimable or scheduled through it;
    `fallen`: ids that were cancelled with it.
    """

    task: Task
    released: tuple[str, ...] = ()
    fallen: tuple[str, ...] = ()


class Cancellation(msgspec.Struct, frozen=True):
    """What `cancel` did, or would do (`dry_run`)."""

    cancelled_task_id: str
    cascaded_task_ids: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def total_cancelled(self) -> int:
        return 1 + len(self.cascaded_task_ids)


class Page(msgspec.Struct, frozen=True):
    """A page of `list`, newest task first. Pass `cursor` back for the next one.

    A page may be short, even empty, while `has_more` is true: a call examines a bounded
    number of rows, however rare the filter. `blocked_by`: for each BLOCKED task, by id, how many
    unfinished tasks it waits for.
    """

    tasks: tuple[Task, ...]
    cursor: str | None
    has_more: bool
    blocked_by: Mapping[str, int] = {}


class RunningLease(msgspec.Struct, frozen=True):
    """Who works on which task, and until when unless it sends a heartbeat."""

    id: str
    holder: str
    agent_type: str
    expires_at: datetime


class QueueStatus(msgspec.Struct, frozen=True):
    """The queue in numbers, at one `sequence`.

    `leases`: of running tasks, up to 20, those that expire soonest. `owner_pid`: the process that
    owns the file and runs the actors; None without a file.
    """

    total_tasks: int
    counts: dict[Status, int]
    avg_priority: float  # over unfinished tasks, as last calculated; 0 without any
    oldest_pending: datetime | None
    max_depth: int
    paused: tuple[str, ...]
    unsaved: int
    sequence: int
    database: str
    leases: tuple[RunningLease, ...] = ()
    owner_pid: int | None = None


class Idle(msgspec.Struct, frozen=True):
    """Why a claim finds nothing to do.

    `reason`: "nothing_pending" (no unfinished task), "all_leased" (others work on what there is;
    `until`: the first of their leases to expire), "all_scheduled" (`until`: the earliest start),
    "all_blocked" (everything waits for other tasks), "limited" (what is ready must wait for a
    limit; `until`: when one may let a task start at the earliest), "paused" (work is there, but
    its agent_type is paused), "ready" (there is work now: claim again). Blocked tasks may stand
    behind each of them; of leases and starts the earlier one gives the reason.
    `open_lanes`: with "nothing_pending", other agent types that have unfinished tasks, those with
    most first, up to 20.
    """

    reason: Literal[
        "nothing_pending",
        "all_blocked",
        "all_scheduled",
        "all_leased",
        "limited",
        "paused",
        "ready",
    ]
    until: datetime | None = None
    open_lanes: tuple[str, ...] = ()


class LimitStatus(msgspec.Struct, frozen=True):
    """A limit, and how it stands.

    See `set_limit` and `set_share` for its fields. `running`: the live attempts that it counts.
    `opens_at`: when its rate lets the next task start; None when that is now, or without a rate.
    """

    kind: LimitKind
    name: str
    concurrency: int | None
    starts: int | None
    per: float | None
    burst: int | None
    weight: float | None
    running: int
    opens_at: datetime | None = None


class ScheduleStatus(msgspec.Struct, frozen=True):
    """Work that recurs, and how it stands.

    See `every` for its first fields; `summary`, `agent_type` and `group` are those of its tasks.
    `next_at`: when the next one is made; None if never. `last_task_id`: the newest that was made.
    """

    name: str
    when: str
    timezone: str
    catch_up: str
    deadline_after: float | None
    summary: str
    agent_type: str
    group: str | None
    next_at: datetime | None
    last_task_id: str | None


class Change(msgspec.Struct, frozen=True):
    """A task as it stood after change number `sequence`."""

    sequence: int
    task: Task


class Related(msgspec.Struct, frozen=True):
    """A task at the other end of an edge, in short."""

    id: str
    summary: str
    status: Status
    must_succeed: bool


class TaskDetails(msgspec.Struct, frozen=True):
    """A task with its neighbours in the graph and the attempts that have ended."""

    task: Task
    prerequisites: tuple[Related, ...]
    dependents: tuple[Related, ...]
    attempts: tuple[Attempt, ...]


class Components(msgspec.Struct, frozen=True):
    """The parts of a score, 0..100 each before their weights."""

    base: float
    criticality: float
    urgency: float
    blocking: float
    source: float


class Explanation(msgspec.Struct, frozen=True):
    """Why a task is not running, and where its score comes from."""

    task: Task
    reason: str
    score: float
    components: Components
    aging: float  # points gained by waiting
    rank_seconds: float  # own estimate plus the longest chain of open work behind it
    effective_deadline: datetime | None
    ahead: int | None = None  # ready tasks of the same agent_type in front of it
    blocked_by: tuple[Related, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """How a set of tasks can run.

    `batches`: topological generations. `waits_for`: for tasks that also need unfinished tasks
    outside the set, those tasks. `makespan_seconds` (when workers were given) is the simulated
    length of a run in the scheduler's own order, by one pool of workers that can do tasks of any
    agent_type; it cannot be under `lower_bound_seconds`, max(critical path, total work / workers).
    """

    batches: Sequence[tuple[str, ...]]
    max_parallelism: int
    critical_path: tuple[str, ...]
    critical_path_seconds: float
    total_seconds: float
    waits_for: dict[str, tuple[str, ...]] = {}
    workers: int | None = None
    makespan_seconds: float | None = None
    lower_bound_seconds: float | None = None

    @property
    def total_batches(self) -> int:
        return len(self.batches)
