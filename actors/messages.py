"""What the actors say to each other, and the address each message goes to.

Facts are in the past tense. Look-ups travel the road of the changes (resolver, prioritizer,
persister) so that none overtakes a change. At the end stands one union a mailbox: what its actor
must be able to handle. docs/architecture.md has the table of which command takes which way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Literal

import msgspec

from actors import commands
from actors.reply import Reply
from persistence.store import Batch, Loaded, Pruned
from scheduler.domain.durations import Duration
from scheduler.domain.errors import SchedulerError, StoreUnavailable
from scheduler.domain.events import Event
from scheduler.domain.limits import Limit
from scheduler.domain.priority import Facts
from scheduler.domain.recurrence import Schedule
from scheduler.domain.task import Attempt, Status, Task
from scheduler.domain.views import (
    Cancellation,
    Claim,
    Ended,
    Explanation,
    Idle,
)

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

    reply: Reply[commands.Outcomes]
    outcomes: list[Ended | SchedulerError | commands.Finish]


class Cancelled(msgspec.Struct, frozen=True, eq=False):
    """Answer a cancel."""

    reply: Reply[Cancellation]
    number: int


# ------------------------------------------------------------------- facts between actors


class FindKeys(commands.Message, frozen=True):
    """To the persister: which tasks have the keys of this enqueue?"""

    keys: tuple[str, ...]
    enqueue: commands.Enqueue


class KeysFound(commands.Message, frozen=True):
    """To ingest: these tasks have them."""

    enqueue: commands.Enqueue
    found: dict[str, Task]


class KeysSettled(commands.Message, frozen=True):
    """To ingest: the enqueue that held these keys is on record, or was refused."""

    keys: tuple[str, ...]


class Firing(msgspec.Struct, frozen=True):
    """A schedule before and after it made tasks."""

    before: Schedule
    after: Schedule


class Admit(commands.Message, frozen=True):
    """To the resolver: tasks made by ingest, for one command or for several that need no check.

    All are admitted or none. Of a schedule there is its firing instead of answers.
    """

    tasks: list[Task]
    answers: Sequence[TasksMade]
    keys: tuple[str, ...] = ()
    firing: Firing | None = None


Schedules = Mapping[str, Schedule | None]  # by name; None: it is stopped


class SetSchedules(commands.Message, frozen=True):
    """To the persister, behind all firings so far: schedules that changed, and the answer."""

    schedules: Schedules
    answers: Sequence[Value] = ()


class SchedulesSaved(commands.Message, frozen=True):
    """To ingest: this is on record, with the tasks that were made of it."""

    schedules: Schedules


class FiringRefused(commands.Message, frozen=True):
    """To ingest: there is no room for the tasks of a schedule."""

    firing: Firing


NeedsFacts = Admit | commands.AddPrerequisites | commands.MakePlan
Statuses = dict[int, Status | None]


class LookUp(commands.Message, frozen=True):
    """To the persister: the statuses of tasks that are not in the graph."""

    numbers: tuple[int, ...]
    command: NeedsFacts
    known: Statuses


class LookedUp(commands.Message, frozen=True):
    """To the resolver: the command once more, with a status (None: no such task) for each."""

    command: NeedsFacts
    statuses: Statuses


class LookUpFailed(commands.Message, frozen=True):
    """To the resolver: the facts cannot be had; refuse the command and give back what it holds."""

    command: NeedsFacts
    error: SchedulerError


class FindFallen(commands.Message, frozen=True):
    """To the persister: the task of a retry, what fell with it, and what all these depend on."""

    retry: commands.Retry


class FallenFound(commands.Message, frozen=True):
    """To the resolver: the same, by number; `statuses` are of their prerequisites."""

    retry: commands.Retry
    tasks: list[Task]
    statuses: Statuses


class FindGroup(commands.Message, frozen=True):
    """To the persister: the unfinished tasks of the group to plan."""

    plan: commands.MakePlan


class NotHeld(commands.Message, frozen=True):
    """To the persister: nobody holds this task; refuse the command with the reason.

    `wish` is what it cannot do; None when the caller thought to hold a lease.
    """

    number: int
    wish: str | None
    reply: Reply[Any]


class Explaining(commands.Message, frozen=True):
    """Explain on its way: the resolver adds facts and blockers, the prioritizer the rest."""

    number: int
    task: Task | None
    facts: Facts
    blockers: list[int]
    reply: Reply[Explanation]
    draft: Explanation | None = None


class ExplainIdle(commands.Message, frozen=True):
    """To the persister: the question why a claim finds nothing, and what the limits say to it.

    `limited`: they hold back all that is ready; `opens_s`: when one may let a task start again.
    """

    agent_types: tuple[str, ...] | None
    reply: Reply[Idle]
    limited: bool
    opens_s: float


class Settled(commands.Message, frozen=True):
    """To the resolver: tasks that have ended, with the attempts that ended with them."""

    tasks: list[Task]
    attempts: list[Attempt] = []
    answers: Sequence[Finished | Cancelled] = ()


class Revised(commands.Message, frozen=True):
    """To the resolver: a running task's own facts changed."""

    task: Task


class Again(commands.Message, frozen=True):
    """A change that may have been made already: told from its receipt, else made now."""

    command: commands.Command
    reply: Reply[Any]


class Entry(msgspec.Struct, frozen=True, gc=False, eq=False):
    """A task with the facts its score needs."""

    task: Task
    facts: Facts


Nature = Literal["new", "moved", "rewritten"]


class Resolved(commands.Message, frozen=True):
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
    schedules: Schedules = {}
    answers: Sequence[TasksMade | Value | Finished] = ()


class Returned(commands.Message, frozen=True):
    """To the prioritizer: a withdrawn task comes back unchanged."""

    entry: Entry


class FactsChanged(commands.Message, frozen=True):
    """To the prioritizer: what the graph now says of these tasks."""

    facts: list[tuple[int, Facts]]


class Recover(commands.Message, frozen=True):
    """To the resolver, first of all: what the store held."""

    loaded: Loaded
    reply: Reply[None]


class Recovered(commands.Message, frozen=True):
    """To the prioritizer: the store's unfinished tasks, with their statuses derived again.

    `changed`: numbers of those whose status is not the one on record.
    """

    handed: list[Entry]
    kept: list[Entry]
    ended: list[Task]
    changed: set[int]
    paused: set[str]
    limits: list[Limit]
    reply: Reply[None]


class TakeBack(commands.Message, frozen=True):
    """To the prioritizer: claims (number, token) that nobody will ever hear of."""

    claims: list[tuple[int, str]]


class StoreDown(commands.Message, frozen=True):
    """To the prioritizer: the store cannot be written; let nothing expire."""


class StoreUp(commands.Message, frozen=True):
    """To the prioritizer: it can again."""


class ClockJumped(commands.Message, frozen=True):
    """To the prioritizer: time passed that nobody could work in."""


class Closing(commands.Message, frozen=True):
    """To the prioritizer and the persister: answer those who wait; nothing new will come."""


class Changed(commands.Message, frozen=True):
    """To the persister: everything that one command, or the claims of one drain, changed."""

    new: list[Task] = []
    moved: list[Task] = []
    rewritten: list[Task] = []
    attempts: list[Attempt] = []
    durations: dict[str, Duration] = {}
    paused: dict[str, bool] = {}
    limits: list[Limit] = []
    reopened: dict[int, Status] = {}  # what tasks were that had finished
    keys: tuple[str, ...] = ()
    schedules: Schedules = {}
    answers: Sequence[Answer] = ()


class Touched(commands.Message, frozen=True):
    """To the persister: heartbeats. To be written some time."""

    tasks: list[Task]


class Write(commands.Message, frozen=True):
    """To the writer: save this batch."""

    batch: Batch


class Prune(commands.Message, frozen=True):
    """To the writer: forget a few tasks that finished before this moment (Unix seconds)."""

    finished_before: float
    after: int  # the last number examined before


class Checkpoint(commands.Message, frozen=True):
    """To the writer: bring the log into the database."""


class Written(commands.Message, frozen=True):
    """To the persister: the batch is saved; its commit took `seconds`."""

    batch: Batch
    seconds: float


class WriteFailed(commands.Message, frozen=True):
    """To the persister: nothing of the batch is known to be saved."""

    batch: Batch
    error: StoreUnavailable


class Checkpointed(commands.Message, frozen=True):
    """To the persister: the store is free again."""


class PruneEnded(commands.Message, frozen=True):
    """To the persister: the store is free again. What was pruned; None if that failed."""

    pruned: Pruned | None


class Happened(commands.Message, frozen=True):
    """To the observer: what a commit holds, or how the store is."""

    events: list[Event]


Answer = Value | Granted | Finished
Question = (
    commands.Read
    | FindKeys
    | LookUp
    | FindFallen
    | FindGroup
    | NotHeld
    | Explaining
    | ExplainIdle
    | commands.Explain
    | Again
)

# ------------------------------------------------------------------- mailboxes

IngestMessage = commands.Command | KeysFound | KeysSettled | SchedulesSaved | FiringRefused | Again
ResolverMessage = (
    Admit
    | LookedUp
    | LookUpFailed
    | Settled
    | commands.Cancel
    | commands.Update
    | commands.AddPrerequisites
    | Revised
    | commands.Retry
    | FallenFound
    | commands.MakePlan
    | commands.Explain
    | Recover
    | SetSchedules
    | NotHeld
    | commands.Flush
    | Again
)
OnTheRoad = LookUp | FindFallen | NotHeld | commands.Flush | commands.Explain | Again
Gathered = commands.ClaimReady | commands.Complete  # those that come together go on together
PrioritizerMessage = (
    commands.Heartbeat
    | commands.Fail
    | commands.Release
    | commands.ReleaseHolders
    | commands.AwaitRevoked
    | commands.Cancel
    | commands.Update
    | commands.AddPrerequisites
    | commands.SetPaused
    | commands.Drain
    | commands.SetLimit
    | commands.GetLimits
    | commands.WhyIdle
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
    | SetSchedules
    | OnTheRoad
)
PersisterMessage = (
    Changed
    | Touched
    | commands.Flush
    | Question
    | Written
    | WriteFailed
    | Checkpointed
    | PruneEnded
    | Closing
)
WriterMessage = Write | Prune | Checkpoint
Report = Written | WriteFailed | Checkpointed | PruneEnded


class To(Enum):
    """The mailboxes."""

    __hash__ = object.__hash__  # Enum's own is written in Python, and routing hashes a lot

    INGEST = "ingest"
    RESOLVER = "resolver"
    PRIORITIZER = "prioritizer"
    PERSISTER = "persister"
    WRITER = "writer"
    OBSERVER = "observer"  # no mailbox: it is told at once


Post = (
    tuple[Literal[To.INGEST], IngestMessage]
    | tuple[Literal[To.RESOLVER], ResolverMessage]
    | tuple[Literal[To.PRIORITIZER], Gathered | PrioritizerMessage]
    | tuple[Literal[To.PERSISTER], PersisterMessage]
    | tuple[Literal[To.WRITER], WriterMessage]
    | tuple[Literal[To.OBSERVER], Happened]
)
