"""headrace: a durable, dependency-aware, priority task scheduler built from Trio actors.

What stands on what, from the top:

    scheduler.cli          the `headrace` command
    scheduler.endpoint     the MCP server for agents, over stdio and HTTP
    scheduler.asyncio      the same for asyncio programs: a handle on actors in another thread
    scheduler.threads      the same for programs without a loop: a handle whose methods block
    scheduler.testing      for tests of embedders: no waiting, and any race again from its seed
    scheduler.sharing      connect() and serve(): one file, many processes
    scheduler.embedding    open_scheduler(): store, actors, recovery, orderly close
    scheduler.embedded     Scheduler: the object a Trio program holds: a handle, and workers
    scheduler.workers      run handlers for claimed tasks
    scheduler.bridging     how calls of asyncio tasks and of threads reach the actors
    scheduler.handle       Handle: one short method a command
    scheduler.telemetry    events as log records; spans and metrics of OpenTelemetry
    scheduler.shapes       answers as JSON, for the command line and the endpoint
    actors                 ingest, resolver, prioritizer, persister, and the loops that run them
    persistence            the stores: SQLite and memory
    scheduler.domain       pure: what a task is, how it moves, the graph, the score

`actors` and `persistence` are implementation; everything a program needs is here. The names
that stand on them are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scheduler.domain.errors import (
    AlreadyFinished,
    DependencyCycle,
    IllegalTransition,
    InvalidRequest,
    InvalidTask,
    KeyConflict,
    LeaseLost,
    Overloaded,
    PrerequisiteFailed,
    SchedulerClosed,
    SchedulerError,
    SequenceTooOld,
    StoreCorrupt,
    StoreError,
    StoreLocked,
    StoreNewer,
    StoreUnavailable,
    TooLarge,
    UnknownPrerequisite,
    UnknownTask,
    WrongContext,
)
from scheduler.domain.events import (
    AttemptEvent,
    Committed,
    Event,
    LanePaused,
    LaneResumed,
    LeaseExpired,
    StoreDown,
    StoreUp,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskEnqueued,
    TaskEvent,
    TaskFailed,
    TaskReady,
    TaskReleased,
    TaskReopened,
    TaskRetrying,
    TaskScheduled,
    TaskUpdated,
)
from scheduler.domain.priority import Weights
from scheduler.domain.spec import TaskSpec
from scheduler.domain.task import Attempt, Lease, Status, Task
from scheduler.domain.views import (
    Cancellation,
    Change,
    Claim,
    Components,
    Ended,
    Explanation,
    Idle,
    LimitStatus,
    Page,
    Plan,
    QueueStatus,
    Related,
    RunningLease,
    ScheduleStatus,
    TaskDetails,
)

if TYPE_CHECKING:
    from actors.observer import Listener
    from scheduler.embedded import Scheduler
    from scheduler.embedding import open_scheduler
    from scheduler.sharing.connecting import connect
    from scheduler.sharing.serving import serve
    from scheduler.workers.job import BlockingJob, Job
    from scheduler.workers.steering import GiveUp, Retry, RetryPolicy

__all__ = [
    "AlreadyFinished",
    "Attempt",
    "AttemptEvent",
    "BlockingJob",
    "Cancellation",
    "Change",
    "Claim",
    "Committed",
    "Components",
    "DependencyCycle",
    "Ended",
    "Event",
    "Explanation",
    "GiveUp",
    "Idle",
    "IllegalTransition",
    "InvalidRequest",
    "InvalidTask",
    "Job",
    "KeyConflict",
    "LanePaused",
    "LaneResumed",
    "Lease",
    "LeaseExpired",
    "LeaseLost",
    "LimitStatus",
    "Listener",
    "Overloaded",
    "Page",
    "Plan",
    "PrerequisiteFailed",
    "QueueStatus",
    "Related",
    "Retry",
    "RetryPolicy",
    "RunningLease",
    "ScheduleStatus",
    "Scheduler",
    "SchedulerClosed",
    "SchedulerError",
    "SequenceTooOld",
    "Status",
    "StoreCorrupt",
    "StoreDown",
    "StoreError",
    "StoreLocked",
    "StoreNewer",
    "StoreUnavailable",
    "StoreUp",
    "Task",
    "TaskCancelled",
    "TaskClaimed",
    "TaskCompleted",
    "TaskDetails",
    "TaskEnqueued",
    "TaskEvent",
    "TaskFailed",
    "TaskReady",
    "TaskReleased",
    "TaskReopened",
    "TaskRetrying",
    "TaskScheduled",
    "TaskSpec",
    "TaskUpdated",
    "TooLarge",
    "UnknownPrerequisite",
    "UnknownTask",
    "Weights",
    "WrongContext",
    "connect",
    "open_scheduler",
    "serve",
]

# The lower packages import `scheduler.domain`, and so this module: it must not import them.
_ON_DEMAND = {
    "BlockingJob": "scheduler.workers.job",
    "GiveUp": "scheduler.workers.steering",
    "Job": "scheduler.workers.job",
    "Listener": "actors.observer",
    "Retry": "scheduler.workers.steering",
    "RetryPolicy": "scheduler.workers.steering",
    "Scheduler": "scheduler.embedded",
    "connect": "scheduler.sharing.connecting",
    "open_scheduler": "scheduler.embedding",
    "serve": "scheduler.sharing.serving",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_ON_DEMAND[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
