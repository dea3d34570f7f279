"""What a scheduler tells those who listen: small values that cannot change, in the past tense.

    Event
     |- TaskEvent               something happened to `task`, which is as it was after it
     |   |- TaskEnqueued        it was made
     |   |- TaskScheduled       what it waited for has ended, but its time has not come
     |   |- TaskReady           it can be claimed from now on
     |   |- TaskClaimed         a worker holds it
     |   |- TaskUpdated         its facts changed, or what it waits for
     |   |- TaskCancelled       it will not be done (`task.cause`: what took it along)
     |   |- TaskReopened        it had failed or been cancelled, and starts over
     |   '- AttemptEvent        an attempt at it ended (`attempt`)
     |       |- TaskCompleted   well
     |       |- TaskRetrying    badly, and another follows at `task.not_before`
     |       |- TaskFailed      badly, and none follows
     |       |- TaskReleased    its holder gave it back, or somebody did in its name
     |       '- LeaseExpired    its holder fell silent; TaskReady or TaskFailed follows
     |- LanePaused, LaneResumed     tasks of an agent_type are handed out no more, or again
     |- Committed               what was told before is saved
     |- StoreDown               the store cannot be written: changes wait in memory
     '- StoreUp                 it can again

`kind` is a name for logs and metrics that stays.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from scheduler.domain.task import Attempt, Task


class Event(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Something happened at `at` (Unix seconds)."""

    kind: ClassVar[str] = "event"

    at: float


class TaskEvent(Event, frozen=True, gc=False, eq=False):
    """Something happened to a task; `task` is as it was after it."""

    task: Task

    @property
    def task_id(self) -> str:
        return self.task.id


class TaskEnqueued(TaskEvent, frozen=True, gc=False, eq=False):
    """A task was made. If nothing holds it back, its TaskReady follows."""

    kind = "enqueued"


class TaskScheduled(TaskEvent, frozen=True, gc=False, eq=False):
    """What a task waited for has ended; it waits for `task.not_before`."""

    kind = "scheduled"


class TaskReady(TaskEvent, frozen=True, gc=False, eq=False):
    """A task can be claimed from now on; `again`: it could be before, or is tried once more."""

    kind = "ready"

    again: bool = False


class TaskClaimed(TaskEvent, frozen=True, gc=False, eq=False):
    """A worker (`task.holder`) holds a task, for its attempt number `task.attempt`."""

    kind = "claimed"


class TaskUpdated(TaskEvent, frozen=True, gc=False, eq=False):
    """The facts of a task changed, or what it waits for."""

    kind = "updated"


class TaskCancelled(TaskEvent, frozen=True, gc=False, eq=False):
    """A task will not be done. `attempt` is the one that this ended, if it was running."""

    kind = "cancelled"

    attempt: Attempt | None = None


class TaskReopened(TaskEvent, frozen=True, gc=False, eq=False):
    """A task that had failed or been cancelled starts over."""

    kind = "reopened"


class AttemptEvent(TaskEvent, frozen=True, gc=False, eq=False):
    """An attempt at a task ended."""

    attempt: Attempt

    @property
    def seconds(self) -> float:
        """How long the attempt took."""
        return self.attempt.ended_s - self.attempt.started_s


class TaskCompleted(AttemptEvent, frozen=True, gc=False, eq=False):
    """An attempt succeeded; the task is done."""

    kind = "completed"


class TaskRetrying(AttemptEvent, frozen=True, gc=False, eq=False):
    """An attempt failed; another can start at `task.not_before`."""

    kind = "retrying"


class TaskFailed(AttemptEvent, frozen=True, gc=False, eq=False):
    """The last attempt failed, or its lease expired; the task has failed."""

    kind = "failed"


class TaskReleased(AttemptEvent, frozen=True, gc=False, eq=False):
    """A task was given back undone, at no cost: `attempt.outcome` is "released" by its holder,
    "interrupted" by others.
    """

    kind = "released"


class LeaseExpired(AttemptEvent, frozen=True, gc=False, eq=False):
    """The holder of a task (`attempt.holder`) sent no heartbeat in time and lost it."""

    kind = "expired"


class LanePaused(Event, frozen=True, gc=False, eq=False):
    """Tasks of this agent_type are handed out no more."""

    kind = "paused"

    agent_type: str


class LaneResumed(Event, frozen=True, gc=False, eq=False):
    """Tasks of this agent_type are handed out again."""

    kind = "resumed"

    agent_type: str


class Committed(Event, frozen=True, gc=False, eq=False):
    """`rows` changes were saved by one commit, which took `seconds`. `sequence` is their last."""

    kind = "committed"

    rows: int
    seconds: float
    sequence: int


class StoreDown(Event, frozen=True, gc=False, eq=False):
    """The store cannot be written; `reason` is what it said. What changes waits in memory."""

    kind = "store_down"

    reason: str


class StoreUp(Event, frozen=True, gc=False, eq=False):
    """The store can be written again."""

    kind = "store_up"
