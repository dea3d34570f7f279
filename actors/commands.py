"""What clients ask for: one frozen command each, with the reply that its client awaits.

A command is imperative. Its arguments were proved where it was called; ids are numbers, times
Unix seconds, payloads JSON text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec

from actors.reply import Reply
from persistence.store import Filter
from scheduler.domain.errors import SchedulerError
from scheduler.domain.ids import LARGEST
from scheduler.domain.lifecycle import Verb
from scheduler.domain.limits import Limit
from scheduler.domain.recurrence import Schedule
from scheduler.domain.request import Request
from scheduler.domain.task import Task
from scheduler.domain.views import (
    Cancellation,
    Change,
    Claim,
    Ended,
    Explanation,
    Idle,
    LimitStatus,
    Page,
    Plan,
    QueueStatus,
    ScheduleStatus,
    TaskDetails,
)

Number = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]  # of a task; proved when it is decoded


class Message(msgspec.Struct, frozen=True, eq=False):
    """Base of all messages.

    `gated` commands bring in more to save and wait at the gate. `changing` ones must not be
    carried out twice.
    """

    gated: ClassVar[bool] = False
    changing: ClassVar[bool] = False


class Enqueue(Message, frozen=True):
    """Make tasks of what was proved before, all or none; the answer keeps the order."""

    gated: ClassVar[bool] = True
    changing: ClassVar[bool] = True
    requests: list[Request]
    reply: Reply[list[Task]]


class ClaimReady(Message, frozen=True):
    """Lease up to `limit` of the best ready tasks; if there is none, wait for one."""

    gated: ClassVar[bool] = True
    changing: ClassVar[bool] = True
    holder: str
    agent_types: tuple[str, ...] | None
    limit: int
    lease: float
    wait: float
    reply: Reply[list[Claim]]


class Heartbeat(Message, frozen=True):
    """Extend a lease. The answer is the new expiry in Unix seconds."""

    number: Number
    token: str
    lease: float | None
    progress: float | None
    note: str | None
    reply: Reply[float]


class Finish(msgspec.Struct, frozen=True, eq=False):
    """How one claim is to end."""

    verb: Verb
    number: Number
    token: str
    result_json: str | None = None
    error: str | None = None


Outcomes = list[Ended | SchedulerError]


class Complete(Message, frozen=True):
    """The work of these claims is done. One outcome each."""

    changing: ClassVar[bool] = True
    finishes: tuple[Finish, ...]
    reply: Reply[Outcomes]


class Fail(Message, frozen=True):
    """The attempt has failed; another follows if it is retryable and attempts are left."""

    changing: ClassVar[bool] = True
    finish: Finish
    retryable: bool
    retry_after: float | None  # seconds until the next attempt; None: the back-off says
    reply: Reply[Outcomes]


class Release(Message, frozen=True):
    """Give a claim back undone."""

    changing: ClassVar[bool] = True
    finish: Finish
    reply: Reply[Outcomes]


class ReleaseHolders(Message, frozen=True):
    """Give back all claims of holders whose names begin so: they are known to be dead."""

    changing: ClassVar[bool] = True
    prefix: str
    reply: Reply[list[Task]]


class AwaitRevoked(Message, frozen=True):
    """Which claims were taken from this holder since it asked last? If none, wait for one.

    The answer is pairs of number and token.
    """

    holder: str
    wait: float
    reply: Reply[list[tuple[int, str]]]


class Cancel(Message, frozen=True):
    """Cancel a task and all that cannot start without it."""

    changing: ClassVar[bool] = True
    number: Number
    reason: str | None
    dry_run: bool
    reply: Reply[Cancellation]
    hops: int = 0


class Retry(Message, frozen=True):
    """Re-open a failed or cancelled task, and on `cascade` the tasks that fell with it."""

    changing: ClassVar[bool] = True
    number: Number
    cascade: bool
    reply: Reply[list[Task]]


class Update(Message, frozen=True):
    """Set columns of an unfinished task, checked before. `task`: withdrawn from its holder."""

    changing: ClassVar[bool] = True
    number: Number
    changes: Mapping[str, Any]
    reply: Reply[list[Task]]
    task: Task | None = None
    hops: int = 0


class AddPrerequisites(Message, frozen=True):
    """Let an unfinished task wait for more. `task`: withdrawn from its holder."""

    changing: ClassVar[bool] = True
    number: Number
    requires: tuple[Number, ...]
    follows: tuple[Number, ...]
    reply: Reply[list[Task]]
    task: Task | None = None
    hops: int = 0


class SetPaused(Message, frozen=True):
    """Stop, or let on, the claims of one agent_type."""

    changing: ClassVar[bool] = True
    agent_type: str
    paused: bool
    reply: Reply[None]


class Drain(Message, frozen=True):
    """Stop the claims of one agent_type; answered when nothing of it runs any more."""

    changing: ClassVar[bool] = True
    agent_type: str
    reply: Reply[None]


class SetLimit(Message, frozen=True):
    """Let a limit hold from now on, or an empty one lift it."""

    changing: ClassVar[bool] = True
    limit: Limit
    reply: Reply[None]


class GetLimits(Message, frozen=True):
    """All limits, and what they count."""

    reply: Reply[list[LimitStatus]]


class Every(Message, frozen=True):
    """Let work recur from now on; when it began before, the schedule does not say yet."""

    changing: ClassVar[bool] = True
    schedule: Schedule
    reply: Reply[None]


class StopSchedule(Message, frozen=True):
    """Make no more tasks of the schedule of this name."""

    changing: ClassVar[bool] = True
    name: str
    reply: Reply[None]


class GetSchedules(Message, frozen=True):
    """All schedules, and when their next moments are."""

    reply: Reply[list[ScheduleStatus]]


class Flush(Message, frozen=True):
    """A barrier: answered when everything sent before it is saved."""

    reply: Reply[None]


class Get(Message, frozen=True):
    """One task, finished or not."""

    number: Number
    reply: Reply[Task]


class GetDetails(Message, frozen=True):
    """One task with its neighbors and attempts."""

    number: Number
    reply: Reply[TaskDetails]


class ListTasks(Message, frozen=True):
    """A page of tasks numbered below `below`, newest first."""

    where: Filter
    below: int | None
    limit: int
    reply: Reply[Page]


class GetQueueStatus(Message, frozen=True):
    """The queue in numbers."""

    reply: Reply[QueueStatus]


class WhyIdle(Message, frozen=True):
    """Why does a claim of these lanes (None: of any) find nothing?"""

    agent_types: tuple[str, ...] | None
    reply: Reply[Idle]


class Wait(Message, frozen=True):
    """Answered when all the tasks have finished, or after `seconds`."""

    numbers: tuple[Number, ...]
    seconds: float
    reply: Reply[list[Task]]


class ReadChanges(Message, frozen=True):
    """Answered as soon as something changed after `since` (None: after now), or after `seconds`.

    The answer is the changes and the sequence to go on from. There are no changes in it when what
    changed is no task: a lane was paused or let on.
    """

    since: int | None
    limit: int
    seconds: float
    reply: Reply[tuple[list[Change], int]]


class MakePlan(Message, frozen=True):
    """Plan the given tasks, or a group's, or (both None) all unfinished ones."""

    numbers: tuple[Number, ...] | None
    group: str | None
    workers: int | None
    reply: Reply[Plan]


class Explain(Message, frozen=True):
    """Why is this task not running?"""

    number: Number
    reply: Reply[Explanation]


Read = Get | GetDetails | ListTasks | GetQueueStatus | Wait | ReadChanges
Others = (
    ClaimReady
    | Heartbeat
    | Complete
    | Fail
    | Release
    | ReleaseHolders
    | AwaitRevoked
    | Cancel
    | Retry
    | Update
    | AddPrerequisites
    | SetPaused
    | Drain
    | SetLimit
    | GetLimits
    | Every
    | StopSchedule
    | GetSchedules
    | WhyIdle
    | Flush
    | MakePlan
    | Explain
    | Read
)
Command = Enqueue | Others
