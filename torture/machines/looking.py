"""Steps that only look: each answer is compared with one computed from all rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import fsum, inf
from typing import Any

from scheduler import Idle, LimitStatus, Plan, QueueStatus, Scheduler, Status, Task
from scheduler.domain import ids
from torture.machines import scoring
from torture.machines.moves import Move, move
from torture.machines.state import (
    BLOCKED,
    READY,
    RUNNING,
    SCHEDULED,
    Row,
    State,
    accepted,
    close,
    refused,
)

TINY = 1e-6
MOST_PAGES = 1_000  # of a listing


def compare(row: Row, task: Task) -> None:
    """The task is the row; moments are taken over, since they decide the order to the last bit."""
    assert (task.number, task.status) == (row.number, row.status)
    assert (task.agent_type, task.group, task.limit_key) == (row.lane, row.group, row.limit_key)
    assert (task.base_priority, task.source, task.key) == (row.base, row.source, row.key)
    assert (task.parent, task.attempt) == (row.parent, row.attempt)
    assert (task.max_attempts, task.estimated_duration) == (row.max_attempts, row.estimate)
    assert set(task.requires) == {n for n, strict in row.needs.items() if strict}
    assert set(task.follows) | set(task.requires) == set(row.needs)
    assert task.dependency_depth == row.shown_depth
    assert (task.holder, task.result, task.cause_number) == (row.holder, row.result, row.cause)
    for told, expected in (
        (task.created_s, row.created),
        (task.deadline_s, row.deadline),
        (task.not_before_s, row.not_before),
        (task.ready_s, row.ready),
        (task.finished_s, row.finished),
    ):
        assert close(told, expected), f"{task}: {told} for {expected}"
    row.ready, row.not_before = task.ready_s, task.not_before_s


def look_at_all(state: State, tasks: list[Task]) -> None:
    """These are all the tasks there are."""
    assert [task.number for task in tasks] == sorted(state.rows, reverse=True)
    for task in tasks:
        compare(state.rows[task.number], task)


@dataclass(frozen=True)
class Lists:
    """All pages under one filter, one after the other."""

    statuses: tuple[Status, ...] | None
    lane: str | None
    group: str | None
    source: str | None
    limit: int

    def aim(self, state: State) -> Move:
        async def all_pages(scheduler: Scheduler) -> tuple[list[Task], dict[str, int]]:
            tasks: list[Task] = []
            blocked_by: dict[str, int] = {}
            cursor = None
            for _ in range(MOST_PAGES):
                page = await scheduler.list(
                    status=self.statuses,
                    agent_type=self.lane,
                    group=self.group,
                    source=self.source,
                    limit=self.limit,
                    cursor=cursor,
                )
                assert len(page.tasks) <= self.limit
                tasks += page.tasks
                blocked_by.update(page.blocked_by)
                cursor = page.cursor
                assert page.has_more == (cursor is not None)
                if cursor is None:
                    return tasks, blocked_by
            raise AssertionError("the pages have no end")

        def judge(after: State, heard: Any) -> None:
            tasks, blocked_by = accepted(heard)
            expected = [row for row in after.rows.values() if self._admits(row)]
            numbers = sorted((row.number for row in expected), reverse=True)
            assert [task.number for task in tasks] == numbers
            waits = {row.id: len(row.waits) for row in expected if row.status is BLOCKED}
            assert blocked_by == waits

        return move(all_pages, judge)

    def _admits(self, row: Row) -> bool:
        return (
            (self.statuses is None or row.status in self.statuses)
            and self.lane in (None, row.lane)
            and self.group in (None, row.group)
            and self.source in (None, row.source)
        )


@dataclass(frozen=True)
class AsksStatus:
    def aim(self, state: State) -> Move:
        return move(
            lambda scheduler: scheduler.queue_status(),
            lambda after, heard: check_status(after, accepted(heard)),
        )


def check_status(state: State, told: QueueStatus) -> None:
    """The queue in numbers."""
    assert told.counts == {status: len(state.of(status)) for status in Status}
    assert told.total_tasks == len(state.rows)
    assert told.paused == tuple(sorted(state.paused))
    depths = [row.shown_depth for row in state.unfinished()]
    assert told.max_depth == max(depths, default=0)
    pending = state.of(BLOCKED, SCHEDULED, READY)
    oldest = None if told.oldest_pending is None else told.oldest_pending.timestamp()
    by_time = min((row.created for row in pending), default=None)
    by_id = min(((row.number, row.created) for row in pending), default=(0, None))[1]
    assert close(oldest, by_time) or close(oldest, by_id)  # the clock may have gone back
    leases = {row.id: row for row in state.of(RUNNING)}
    assert {lease.id for lease in told.leases} == leases.keys() or len(leases) > 20
    for lease in told.leases:
        assert lease.holder == leases[lease.id].holder
        assert close(lease.expires_at.timestamp(), leases[lease.id].expires)


@dataclass(frozen=True)
class AsksWhyIdle:
    lanes: tuple[str, ...] | None

    def aim(self, state: State) -> Move:
        def judge(after: State, heard: Any) -> None:
            told: Idle = accepted(heard)
            reason, until = self._expected(after)
            assert told.reason == reason, f"{told} for {reason}"
            if reason != "limited":
                assert close(None if told.until is None else told.until.timestamp(), until)

        return move(lambda scheduler: scheduler.why_idle(self.lanes), judge)

    def _expected(self, state: State) -> tuple[str, float | None]:
        rows = [r for r in state.unfinished() if self.lanes is None or r.lane in self.lanes]
        open_ = [row for row in rows if row.lane not in state.paused]
        if any(row.status is READY for row in open_):
            return "ready" if state.startable(self.lanes) else "limited", None
        expiry = min((row.expires for row in open_ if row.status is RUNNING), default=inf)
        starts = [r.not_before for r in open_ if r.status is SCHEDULED and r.not_before is not None]
        start = min(starts, default=inf)
        if expiry < inf and expiry <= start:
            return "all_leased", expiry
        if start < inf:
            return "all_scheduled", start
        if not rows:
            return "nothing_pending", None
        if not open_ or any(row.status is READY for row in rows):
            return "paused", None
        return "all_blocked", None


@dataclass(frozen=True)
class Explains:
    task: int

    def aim(self, state: State) -> Move:
        number = state.pick(self.task)
        return move(
            lambda scheduler: scheduler.explain(ids.encode(number)),
            lambda after, heard: self._judge(after, number, heard),
        )

    def _judge(self, after: State, number: int, heard: Any) -> None:
        row = after.rows.get(number)
        if row is None:
            refused(heard, "unknown_task")
            return
        told = accepted(heard)
        assert told.reason.startswith(str(row.status))
        assert {other.id for other in told.blocked_by} == {ids.encode(n) for n in row.waits}
        if not row.unfinished:
            return
        facts = scoring.known(after, row)
        parts = scoring.components(facts, row.estimate, after.now)
        for name, value in parts.items():
            assert abs(getattr(told.components, name) - value) < TINY, f"{name} of {row.id}"
        assert abs(told.score - scoring.points(facts, row.estimate, after.now)) < TINY
        assert abs(told.rank_seconds - facts.rank) < TINY * (1 + facts.rank)
        if row.status is READY and not after.withdrawn:
            expected = scoring.ahead(after, row)
            assert expected is None or told.ahead == expected
            held_back = " but " in told.reason
            assert held_back == (not after.may_start(row)), told.reason


@dataclass(frozen=True)
class AsksDetails:
    task: int

    def aim(self, state: State) -> Move:
        number = state.pick(self.task)
        return move(
            lambda scheduler: scheduler.details(ids.encode(number)),
            lambda after, heard: self._judge(after, number, heard),
        )

    def _judge(self, after: State, number: int, heard: Any) -> None:
        row = after.rows.get(number)
        if row is None:
            refused(heard, "unknown_task")
            return
        told = accepted(heard)
        compare(row, told.task)
        if row.status is RUNNING:
            assert close(told.task.lease_expires_s, row.expires)
        past = [(one.attempt, one.holder, one.outcome) for one in told.attempts]
        assert past == row.history
        named = {(other.id, other.status) for other in told.prerequisites}
        assert named == {(ids.encode(n), after.rows[n].status) for n in row.needs}
        dependents = {other.id: other.must_succeed for other in told.dependents}
        assert dependents == {
            other.id: other.needs[number] for other in after.rows.values() if number in other.needs
        }


@dataclass(frozen=True)
class MakesPlan:
    tasks: tuple[int, ...] | None
    workers: int | None

    def aim(self, state: State) -> Move:
        numbers = None if self.tasks is None else [state.pick(index) for index in self.tasks]
        chosen = None if numbers is None else list(map(ids.encode, numbers))
        return move(
            lambda scheduler: scheduler.execution_plan(chosen, workers=self.workers),
            lambda after, heard: self._judge(after, numbers, heard),
        )

    def _judge(self, after: State, numbers: list[int] | None, heard: Any) -> None:
        if numbers is not None and any(number not in after.rows for number in numbers):
            refused(heard, "unknown_task")
            return
        rows = {row.number: row for row in after.unfinished()}
        if numbers is not None:
            rows = {number: row for number, row in rows.items() if number in numbers}
        check_plan(rows, accepted(heard), self.workers)


def check_plan(rows: dict[int, Row], plan: Plan, workers: int | None) -> None:
    """Generations, the longest chain, and what stands outside."""
    generations: dict[int, int] = {}
    ends: dict[int, float] = {}
    while left := [n for n in rows if n not in ends]:
        for number in left:
            inside = rows[number].waits & rows.keys()
            if inside <= ends.keys():
                generations[number] = 1 + max((generations[n] for n in inside), default=-1)
                start = max((ends[n] for n in inside), default=0.0)
                ends[number] = start + rows[number].estimate
    batches: list[list[str]] = [[] for _ in range(1 + max(generations.values(), default=-1))]
    for number in sorted(rows):
        batches[generations[number]].append(ids.encode(number))
    assert [list(batch) for batch in plan.batches] == batches
    longest = max(ends.values(), default=0.0)
    total = fsum(row.estimate for row in rows.values())
    assert abs(plan.critical_path_seconds - longest) <= TINY * (1 + longest)
    assert abs(plan.total_seconds - total) <= TINY * (1 + total)
    path = [rows[ids.decode(one)] for one in plan.critical_path]
    assert all(before.number in after.waits for before, after in pairwise(path))
    outside = {row.id: row.waits - rows.keys() for row in rows.values()}
    told = {one: set(map(ids.decode, others)) for one, others in plan.waits_for.items()}
    assert told == {one: others for one, others in outside.items() if others}
    if workers is not None:
        assert plan.makespan_seconds is not None
        least = max(longest, total / workers)
        assert least - TINY * (1 + least) <= plan.makespan_seconds <= total + TINY * (1 + total)


@dataclass(frozen=True)
class Waits:
    """For nothing: the tasks as they are."""

    tasks: tuple[int, ...]

    def aim(self, state: State) -> Move:
        numbers = list(dict.fromkeys(state.pick(index) for index in self.tasks))

        def judge(after: State, heard: Any) -> None:
            if any(number not in after.rows for number in numbers):
                refused(heard, "unknown_task")
                return
            for number, task in zip(numbers, accepted(heard), strict=True):
                compare(after.rows[number], task)

        return move(lambda scheduler: scheduler.wait(ids.encode_all(numbers), timeout=0), judge)


Seen = tuple[list[Task], list[LimitStatus], QueueStatus]


async def everything(scheduler: Scheduler) -> Seen:
    """All tasks, the limits, and the queue in numbers."""
    tasks = list((await scheduler.list(limit=500)).tasks)
    return tasks, await scheduler.limits(), await scheduler.queue_status()


def check_all(state: State, seen: Seen) -> None:
    """What is seen, and who still waits, is what the model says."""
    tasks, limits, status = seen
    look_at_all(state, tasks)
    check_limits(state, limits)
    check_status(state, status)
    for waiting in state.waiting:
        assert not waiting.asked.done, "a claim was answered that had to wait"


def check_limits(state: State, told: list[LimitStatus]) -> None:
    """Each limit, what it counts, and when it opens."""
    assert [(one.kind, one.name) for one in told] == sorted(state.limits)
    for one in told:
        bucket = state.limits[one.kind, one.name]
        assert one.running == state.running((one.kind, one.name))
        assert one.concurrency == bucket.concurrency
        assert (one.starts, one.per, one.burst) == (bucket.starts, bucket.per, bucket.burst)
        opens = bucket.opens(state.now)
        told_opens = None if one.opens_at is None else one.opens_at.timestamp()
        assert close(told_opens, opens if opens > state.now else None)
