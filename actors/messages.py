"""Everything the actors say to each other, and the address each message goes to.

Commands are imperative and come from a client, with a reply; facts are in the past tense and
pass between actors. Look-ups travel the road of the changes (resolver, prioritizer, persister)
so that none overtakes a change. docs/architecture.md has the table of who takes which way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Literal

import msgspec

from actors.reply import Reply
from persistence.store import Batch, Filter, Loaded, Pruned
from scheduler.domain.durations import Duration
from scheduler.domain.errors import SchedulerError, StoreUnavailable
from scheduler.domain.lifecycle import Verb
from scheduler.domain.priority import Facts
from scheduler.domain.spec import Request
from scheduler.domain.task import Attempt, Status, Task
from scheduler.domain.views import (
    Cancellation,
    Change,
    Claim,
    Ended,
    Explanation,
    Page,
    Plan,
    QueueStatus,
    TaskDetails,
)


class Message(msgspec.Struct, frozen=True, eq=False):
    """Base of all messages."""


# ------------------------------------------------------------------- commands of clients


class Enqueue(Message, frozen=True):
    """Make tasks of what was proved before, all or none; the answer keeps the order."""

    requests: list[Request]
    reply: Reply[list[Task]]


class ClaimReady(Message, frozen=True):
    """Lease up to `limit` of the best ready tasks; if there is none, wait for one."""

    holder: str
    agent_types: tuple[str, ...] | None
    limit: int
    lease: float
    wait: float
    reply: Reply[list[Claim]]


class Heartbeat(Message, frozen=True):
    """Extend a lease. The answer is the new expiry in Unix seconds."""

    number: int
    token: str
    lease: float | None
    progress: float | None
    note: str | None
    reply: Reply[float]


class Finish(msgspec.Struct, frozen=True, eq=False):
    """How one claim is to end."""

    verb: Verb
    number: int
    token: str
    result_json: str | None = None
    error: str | None = None


Outcomes = list[Ended | SchedulerError]


class Complete(Message, frozen=True):
    """The work of these claims is done. One outcome each."""

    finishes: tuple[Finish, ...]
    reply: Reply[Outcomes]


class Fail(Message, frozen=True):
    """The attempt has failed; another follows if it is retryable and attempts are left."""

    finish: Finish
    retryable: bool
    reply: Reply[Outcomes]


class Release(Message, frozen=True):
    """Give a claim back undone."""

    finish: Finish
    reply: Reply[Outcomes]


class ReleaseHolders(Message, frozen=True):
    """Give back all claims of holders whose names begin so: they are known to be dead."""

    prefix: str
    reply: Reply[list[Task]]


class Cancel(Message, frozen=True):
    """Cancel a task and all that cannot start without it."""

    number: int
    reason: str | None
    dry_run: bool
    reply: Reply[Cancellation]
    hops: int = 0


class Retry(Message, frozen=True):
    """Re-open a failed or cancelled task, and on `cascade` the tasks that fell with it."""

    number: int
    cascade: bool
    reply: Reply[list[Task]]


class Update(Message, frozen=True):
    """Set columns of an unfinished task, checked before. `task`: withdrawn from its holder."""

    number: int
    changes: Mapping[str, Any]
    reply: Reply[list[Task]]
    task: Task | None = None
    hops: int = 0


class AddPrerequisites(Message, frozen=True):
    """Let an unfinished task wait for more. `task`: withdrawn from its holder."""

    number: int
    requires: tuple[int, ...]
    follows: tuple[int, ...]
    reply: Reply[list[Task]]
    task: Task | None = None
    hops: int = 0


class SetPaused(Message, frozen=True):
    """Stop, or let on, the claims of one agent_type."""

    agent_type: str
    paused: bool
    reply: Reply[None]


class Flush(Message, frozen=True):
    """A barrier: answered when everything sent before it is saved."""

    reply: Reply[None]


class Get(Message, frozen=True):
    """One task, finished or not."""

    number: int
    reply: Reply[Task]


class GetDetails(Message, frozen=True):
    """One task with its neighbors and attempts."""

    number: int
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


class Wait(Message, frozen=True):
    """Answered when all the tasks have finished, or after `seconds`."""

    numbers: tuple[int, ...]
    seconds: float
    reply: Reply[list[Task]]


class ReadChanges(Message, frozen=True):
    """Answered as soon as something changed after `since` (None: after now), or after `seconds`.

    The answer is the changes and the sequence to go on from.
    """

    since: int | None
    limit: int
    seconds: float
    reply: Reply[tuple[list[Change], int]]


class MakePlan(Message, frozen=True):
    """Plan the given tasks, or a group's, or (both None) all unfinished ones."""

    numbers: tuple[int, ...] | None
    group: str | None
    workers: int | None
    reply: Reply[Plan]


class Explain(Message, frozen=True):
    """Why is this task not running?"""

    number: int
    reply: Reply[Explanation]


Read = Get | GetDetails | ListTasks | GetQueueStatus | Wait | ReadChanges
Others = (
    ClaimReady
    | Heartbeat
    | Complete
    | Fail
    | Release
    | ReleaseHolders
    | Cancel
    | Retry
    | Update
    | AddPrerequisites
    | SetPaused
    | Flush
    | MakePlan
    | Explain
    | Read
)
Command = Enqueue | Others

# ------------------------------------------------------------------- answers that await a commit


class TasksMade(msgspec.Struct, frozen=True, eq=False):
    """Answer with these tasks as they stand after the command, in this order."""

    reply: Reply[list[Task]]
    numbers: Sequence[int]
    existing: Mapping[int, Task] = {}


class Value(msgspec.Struct, frozen=True, eq=False):
    """Answer with a value that is complete."""

    reply: Reply[Any]
    value: Any


class Granted(msgspec.Struct, frozen=True, eq=False):
    """Answer a claim; the persister adds the results of the prerequisites."""

    reply: Reply[list[Claim]]
    tasks: list[Task]


class Finished(msgspec.Struct, frozen=True, eq=False):
    """Answer complete, fail or release.

    An entry that is still a Finish names a task that nobody holds: the persister knows why.
    """

    reply: Reply[Outcomes]
    outcomes: list[Ended | SchedulerError | Finish]


class Cancelled(msgspec.Struct, frozen=True, eq=False):
    """Answer a cancel."""

    reply: Reply[Cancellation]
    number: int


# ------------------------------------------------------------------- facts between actors


class FindKeys(Message, frozen=True):
    """To the persister: which tasks have the keys of this enqueue?"""

    keys: tuple[str, ...]
    enqueue: Enqueue


class KeysFound(Message, frozen=True):
    """To ingest: these tasks have them."""

    enqueue: Enqueue
    found: dict[str, Task]


class KeysSettled(Message, frozen=True):
    """To ingest: the enqueue that held these keys is on record, or was refused."""

    keys: tuple[str, ...]


class Admit(Message, frozen=True):
    """To the resolver: tasks made by ingest, for one command or for several that need no check.

    All are admitted or none.
    """

    tasks: list[Task]
    answers: Sequence[TasksMade]
    keys: tuple[str, ...] = ()


NeedsFacts = Admit | AddPrerequisites | MakePlan
Statuses = dict[int, Status | None]


class LookUp(Message, frozen=True):
    """To the persister: the statuses of tasks that are not in the graph."""

    numbers: tuple[int, ...]
    command: NeedsFacts
    known: Statuses


class LookedUp(Message, frozen=True):
    """To the resolver: the command once more, with a status (None: no such task) for each."""

    command: NeedsFacts
    statuses: Statuses


class FindFallen(Message, frozen=True):
    """To the persister: the task of a retry, what fell with it, and what all these depend on."""

    retry: Retry


class FallenFound(Message, frozen=True):
    """To the resolver: the same, by number; `statuses` are of their prerequisites."""

    retry: Retry
    tasks: list[Task]
    statuses: Statuses


class FindGroup(Message, frozen=True):
    """To the persister: the unfinished tasks of the group to plan."""

    plan: MakePlan


class NotHeld(Message, frozen=True):
    """To the persister: nobody holds this task; refuse the command with the reason.

    `wish` is what it cannot do; None when the caller thought to hold a lease.
    """

    number: int
    wish: str | None
    reply: Reply[Any]


class Explaining(Message, frozen=True):
    """Explain on its way: the resolver adds facts and blockers, the prioritizer the rest."""

    number: int
    task: Task | None
    facts: Facts
    blockers: list[int]
    reply: Reply[Explanation]
    draft: Explanation | None = None


class Settled(Message, frozen=True):
    """To the resolver: tasks that have ended, with the attempts that ended with them."""

    tasks: list[Task]
    attempts: list[Attempt] = []
    answer: Finished | Cancelled | None = None


class Revised(Message, frozen=True):
    """To the resolver: a running task's own facts changed."""

    task: Task


class Entry(msgspec.Struct, frozen=True, gc=False, eq=False):
    """A task with the facts its score needs."""

    task: Task
    facts: Facts


Nature = Literal["new", "moved", "rewritten"]


class Resolved(Message, frozen=True):
    """To the prioritizer: all that one command changed, as far as the resolver is concerned.

    `handed`: tasks whose prerequisites are met, now the prioritizer's. `kept`: tasks that the
    resolver holds. `ended`: final ones. `nature` says what happened to the first two.
    `reopened`: what those among them were that had finished.
    """

    handed: list[Entry] = []
    kept: list[Entry] = []
    ended: list[Task] = []
    nature: Nature = "moved"
    attempts: list[Attempt] = []
    durations: dict[str, Duration] = {}
    reopened: dict[int, Status] = {}
    keys: tuple[str, ...] = ()
    answers: Sequence[TasksMade | Value | Finished] = ()


class Returned(Message, frozen=True):
    """To the prioritizer: a withdrawn task comes back unchanged."""

    entry: Entry


class FactsChanged(Message, frozen=True):
    """To the prioritizer: what the graph now says of these tasks."""

    facts: list[tuple[int, Facts]]


class Recover(Message, frozen=True):
    """To the resolver, first of all: what the store held."""

    loaded: Loaded
    reply: Reply[None]


class Recovered(Message, frozen=True):
    """To the prioritizer: the store's unfinished tasks, with their statuses derived again.

    `changed`: numbers of those whose status is not the one on record.
    """

    handed: list[Entry]
    kept: list[Entry]
    ended: list[Task]
    changed: set[int]
    paused: set[str]
    reply: Reply[None]


class TakeBack(Message, frozen=True):
    """To the prioritizer: claims (number, token) that nobody will ever hear of."""

    claims: list[tuple[int, str]]


class StoreDown(Message, frozen=True):
    """To the prioritizer: the store cannot be written; let nothing expire."""


class StoreUp(Message, frozen=True):
    """To the prioritizer: it can again."""


class ClockJumped(Message, frozen=True):
    """To the prioritizer: time passed that nobody could work in."""


class Closing(Message, frozen=True):
    """To the prioritizer and the persister: answer those who wait; nothing new will come."""


class Changed(Message, frozen=True):
    """To the persister: everything that one command changed."""

    new: list[Task] = []
    moved: list[Task] = []
    rewritten: list[Task] = []
    attempts: list[Attempt] = []
    durations: dict[str, Duration] = {}
    paused: dict[str, bool] = {}
    reopened: dict[int, Status] = {}  # what tasks were that had finished
    keys: tuple[str, ...] = ()
    answers: Sequence[Answer] = ()


class Touched(Message, frozen=True):
    """To the persister: heartbeats. To be written some time."""

    tasks: list[Task]


class Write(Message, frozen=True):
    """To the writer: save this batch."""

    batch: Batch


class Prune(Message, frozen=True):
    """To the writer: forget a few tasks that finished before this moment (Unix seconds)."""

    finished_before: float
    after: int  # the last number examined before


class Checkpoint(Message, frozen=True):
    """To the writer: bring the log into the database."""


class Written(Message, frozen=True):
    """To the persister: the batch is saved; its commit took `seconds`."""

    batch: Batch
    seconds: float


class WriteFailed(Message, frozen=True):
    """To the persister: nothing of the batch is known to be saved."""

    batch: Batch
    error: StoreUnavailable


class Tidied(Message, frozen=True):
    """To the persister: the store is free again; after a Prune, with what it did."""

    pruned: Pruned | None = None


Answer = Value | Granted | Finished
Question = Read | FindKeys | LookUp | FindFallen | FindGroup | NotHeld | Explaining | Explain

# ------------------------------------------------------------------- mailboxes

IngestMessage = Command | KeysFound | KeysSettled
ResolverMessage = (
    Admit
    | LookedUp
    | Settled
    | Cancel
    | Update
    | AddPrerequisites
    | Revised
    | Retry
    | FallenFound
    | MakePlan
    | Explain
    | Recover
    | Flush
)
OnTheRoad = LookUp | FindFallen | NotHeld | Flush | Explain
PrioritizerMessage = (
    ClaimReady
    | Heartbeat
    | Complete
    | Fail
    | Release
    | ReleaseHolders
    | Cancel
    | Update
    | AddPrerequisites
    | SetPaused
    | Resolved
    | Returned
    | FactsChanged
    | Recovered
    | Explaining
    | TakeBack
    | StoreDown
    | StoreUp
    | ClockJumped
    | Closing
    | OnTheRoad
)
PersisterMessage = Changed | Touched | Flush | Question | Written | WriteFailed | Tidied | Closing
WriterMessage = Write | Prune | Checkpoint


class To(Enum):
    """The mailboxes."""

    INGEST = "ingest"
    RESOLVER = "resolver"
    PRIORITIZER = "prioritizer"
    PERSISTER = "persister"
    WRITER = "writer"


Post = (
    tuple[Literal[To.INGEST], IngestMessage]
    | tuple[Literal[To.RESOLVER], ResolverMessage]
    | tuple[Literal[To.PRIORITIZER], PrioritizerMessage]
    | tuple[Literal[To.PERSISTER], PersisterMessage]
    | tuple[Literal[To.WRITER], WriterMessage]
)
