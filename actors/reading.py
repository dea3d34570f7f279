"""Questions answered from the record and the store, at one saved state."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, assert_never

from msgspec.structs import replace

from actors import commands as c
from actors import messages as m
from actors import refusals
from actors.records import Records
from persistence.store import MEMORY, Batch, Store
from scheduler.domain import ids, lifecycle
from scheduler.domain.encoding import JSON_BYTES, stored_json
from scheduler.domain.errors import InvalidRequest, SchedulerError, SequenceTooOld
from scheduler.domain.task import Status, Task, utc_text
from scheduler.domain.views import (
    Change,
    Claim,
    Components,
    Ended,
    Explanation,
    Page,
    QueueStatus,
    Related,
    TaskDetails,
)


class Reading:
    """One look at what is saved.

    `newer` holds the changes that are not, as far as they must be looked past; `unsaved()`
    counts all of them.
    """

    def __init__(
        self, records: Records, store: Store, newer: Batch, unsaved: Callable[[], int]
    ) -> None:
        self._records = records
        self._store = store
        self._newer = newer
        self._unsaved = unsaved

    def tasks(self, numbers: Iterable[int]) -> dict[int, Task]:
        """Those of the tasks that are on record, as saved."""
        found: dict[int, Task] = {}
        elsewhere: list[int] = []
        for number in numbers:
            task = self._records.tasks.get(number)
            if task is None or self._newer.get(number) is not None:
                elsewhere.append(number)
            else:
                found[number] = task
        return found | self._store.tasks(elsewhere) if elsewhere else found

    def task(self, number: int) -> Task | None:
        """The task as saved."""
        return self.tasks((number,)).get(number)

    def existing(self, number: int) -> Task:
        """The task as saved, or UnknownTask."""
        task = self.task(number)
        if task is None:
            raise refusals.unknown_task(number)
        return task

    def answer(
        self,
        question: c.Get
        | c.GetDetails
        | c.ListTasks
        | c.GetQueueStatus
        | m.ExplainIdle
        | m.Explaining
        | c.Explain,
    ) -> None:
        """Answer what needs one look."""
        match question:
            case c.Get(number, reply):
                reply.answer(self.existing(number))
            case c.GetDetails(number, reply):
                reply.answer(self._details(number))
            case c.ListTasks():
                question.reply.answer(self._page(question))
            case c.GetQueueStatus(reply):
                reply.answer(self._queue_status())
            case m.ExplainIdle(lanes, reply, limited, opens):
                opens_s = opens if limited else None
                reply.answer(self._records.lanes.why_idle(lanes, self._records.paused, opens_s))
            case m.Explaining():
                self._explain(question)
            case c.Explain(number, reply):
                reply.answer(_explain_ended(self.existing(number)))
            case _:
                assert_never(question)

    def _page(self, question: c.ListTasks) -> Page:
        page = self._store.page(question.where, question.below, question.limit)
        cursor = ids.encode(page.last) if page.has_more and page.last is not None else None
        blocked = (task for task in page.tasks if task.status is Status.BLOCKED)
        return Page(
            page.tasks, cursor, page.has_more, {task.id: self._blockers(task) for task in blocked}
        )

    def _blockers(self, task: Task) -> int:
        """How many unfinished tasks it waits for; one whose end is not saved yet counts."""
        unfinished, newer = self._records.tasks, self._newer
        return sum(
            number in unfinished or newer.get(number) is not None
            for number in {*task.requires, *task.follows}
        )

    def _queue_status(self) -> QueueStatus:
        records = self._records
        return QueueStatus(
            total_tasks=sum(records.counts.values()),
            counts=dict(records.counts),
            avg_priority=records.avg_priority,
            oldest_pending=records.oldest_pending,
            max_depth=records.max_depth,
            paused=tuple(sorted(records.paused)),
            unsaved=self._unsaved(),
            sequence=records.saved_sequence,
            database=_as_text(self._store.location),
            leases=records.lanes.leases(),
            owner_pid=None if self._store.location == MEMORY else os.getpid(),
        )

    def _details(self, number: int) -> TaskDetails:
        task = self.existing(number)
        edges = self._store.dependents(number)
        known = self.tasks({*task.requires, *task.follows, *(edge.number for edge in edges)})
        return TaskDetails(
            task=task,
            prerequisites=_related(known, task.requires, must_succeed=True)
            + _related(known, task.follows, must_succeed=False),
            dependents=tuple(
                related
                for edge in edges
                for related in _related(known, (edge.number,), must_succeed=edge.must_succeed)
            ),
            attempts=tuple(self._store.attempts(number)),
        )

    def _explain(self, question: m.Explaining) -> None:
        assert question.draft is not None
        required = set(question.draft.task.requires)
        known = self.tasks(question.blockers)
        blocked_by = tuple(
            related
            for number in question.blockers
            for related in _related(known, (number,), must_succeed=number in required)
        )
        question.reply.answer(replace(question.draft, blocked_by=blocked_by))

    # ------------------------------------------------------------- claims and their ends

    def claims(self, tasks: Sequence[Task]) -> list[Claim]:
        """The claims of leased tasks, with what their prerequisites left for them."""
        wanted = {number for task in tasks for number in task.requires + task.follows}
        results = self._store.results(wanted) if wanted else {}
        claims: list[Claim] = []
        room = JSON_BYTES
        for task in tasks:
            assert task.token is not None
            left, room, truncated = _results_of(task, results, room)
            claims.append(Claim(task, task.token, left, truncated))
        return claims

    def outcome(self, outcome: Ended | SchedulerError | c.Finish) -> Ended | SchedulerError:
        """The outcome for a task that no actor held: told from the record."""
        if not isinstance(outcome, c.Finish):
            return outcome
        task = self.task(outcome.number)
        if task is not None and lifecycle.ended_by(task, outcome.token) == outcome.verb:
            return Ended(task)  # a repeated call is answered as the first was
        return refusals.not_held(task, outcome.number, None)

    # ------------------------------------------------------------- the change feed

    def changes(self, since: int, limit: int) -> list[Change]:
        """Saved changes after `since`; 0 reads from the oldest on record."""
        newest = self._records.sequence
        if since > newest:
            raise InvalidRequest(
                "this sequence has not been reached",
                field="since",
                received=since,
                allowed=f"0 to {newest}",
                hint="Go on from a sequence that changes or queue_status returned.",
            )
        pruned = self._records.pruned_sequence
        if 0 < since < pruned:
            raise SequenceTooOld(
                f"changes up to {pruned} were forgotten",
                field="since",
                received=since,
                allowed=f"0, or {pruned} and more",
                hint="Take queue_status().sequence, then list the tasks, then go on from it.",
            )
        return self._store.changes(since, limit)


def _as_text(path: str) -> str:
    """A path that can be shown and sent: bytes of it that are no UTF-8 are escaped."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _related(
    known: dict[int, Task], numbers: Collection[int], *, must_succeed: bool
) -> tuple[Related, ...]:
    return tuple(
        Related(task.id, task.summary, task.status, must_succeed)
        for number in numbers
        if (task := known.get(number)) is not None
    )


def _results_of(task: Task, results: dict[int, str], room: int) -> tuple[dict[str, Any], int, bool]:
    """What fits into `room` bytes of the results left for a task."""
    left: dict[str, Any] = {}
    truncated = False
    for number in task.requires + task.follows:
        encoded = results.get(number)
        if encoded is None:
            continue
        size = len(encoded) if encoded.isascii() else len(encoded.encode())
        if size > room:
            truncated = True
            continue
        room -= size
        left[ids.encode(number)] = stored_json(encoded)
    return left, room, truncated


def _explain_ended(task: Task) -> Explanation:
    """It was seen to have ended: that may not be saved yet, or a retry have come since."""
    reason = f"{task.status}: this changes just now"
    if task.finished_at is not None:
        reason = f"{task.status} at {utc_text(task.finished_at)}"
    return Explanation(
        task=task,
        reason=reason,
        score=task.priority,
        components=Components(0.0, 0.0, 0.0, 0.0, 0.0),
        aging=0.0,
        rank_seconds=0.0,
        effective_deadline=task.deadline,
    )
