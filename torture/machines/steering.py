"""Steps that change what is there: cancel, update, pause, limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scheduler.domain import ids
from scheduler.domain.task import UNFINISHED, moment
from torture.machines.moves import Move, move
from torture.machines.state import (
    CANCELLED,
    RUNNING,
    Bucket,
    Row,
    State,
    accepted,
    refused,
)

FIXED_WHILE_RUNNING = {"agent_type", "limit_key", "not_before"}
# field of `update`: attribute of Row
FIELDS = {
    "agent_type": "lane",
    "base_priority": "base",
    "group": "group",
    "limit_key": "limit_key",
    "deadline": "deadline",
    "not_before": "not_before",
    "estimated_duration": "estimate",
    "max_attempts": "max_attempts",
}
TIMES = {"deadline", "not_before"}  # given here in seconds from now


@dataclass(frozen=True)
class Cancels:
    task: int
    dry_run: bool

    def aim(self, state: State) -> Move:
        number = state.pick(self.task, *UNFINISHED)
        return move(
            lambda scheduler: scheduler.cancel(ids.encode(number), dry_run=self.dry_run),
            lambda after, heard: self._judge(after, number, heard),
        )

    def _judge(self, after: State, number: int, heard: Any) -> None:
        row = after.rows.get(number)
        if row is None:
            refused(heard, "unknown_task")
        elif not row.unfinished:
            refused(heard, "already_finished")
        else:
            told = accepted(heard)
            assert (told.cancelled_task_id, told.dry_run) == (row.id, self.dry_run)
            fallen = after.would_fall(number) if self.dry_run else _cancel(after, row)
            assert set(told.cascaded_task_ids) == {ids.encode(n) for n in fallen}
            _check_order(after, [ids.decode(one) for one in told.cascaded_task_ids])


def _cancel(after: State, row: Row) -> set[int]:
    if row.status is RUNNING:
        row.stop_running("cancelled")
    row.over = row.cause = None
    return after.finish(row, CANCELLED)[1]


def _check_order(after: State, fallen: list[int]) -> None:
    """Each stands behind those of its prerequisites that fell, too."""
    for place, number in enumerate(fallen):
        needed = {n for n, strict in after.rows[number].needs.items() if strict}
        assert not needed & set(fallen[place:])


@dataclass(frozen=True)
class Updates:
    task: int
    field: str
    value: Any

    def aim(self, state: State) -> Move:
        number = state.pick(self.task, *UNFINISHED)
        value = self.value
        if self.field in TIMES and value is not None:
            value = state.now + value
        given = moment(value) if self.field in TIMES and value is not None else value

        def judge(after: State, heard: Any) -> None:
            row = after.rows.get(number)
            if row is None:
                refused(heard, "unknown_task")
            elif not row.unfinished:
                refused(heard, "already_finished")
            elif row.status is RUNNING and self.field in FIXED_WHILE_RUNNING:
                refused(heard, "illegal_transition")
            else:
                assert accepted(heard).number == number
                setattr(row, FIELDS[self.field], value)
                after.note(row)
                if row.status is not RUNNING:
                    after.place(row)

        return move(
            lambda scheduler: scheduler.update(ids.encode(number), **{self.field: given}),
            judge,
            withdraws=number,
        )


@dataclass(frozen=True)
class Pauses:
    lane: str
    paused: bool

    def aim(self, state: State) -> Move:
        def judge(after: State, heard: Any) -> None:
            accepted(heard)
            (after.paused.add if self.paused else after.paused.discard)(self.lane)

        if self.paused:
            return move(lambda scheduler: scheduler.pause(self.lane), judge)
        return move(lambda scheduler: scheduler.resume(self.lane), judge)


@dataclass(frozen=True)
class SetsLimit:
    scope: tuple[str, str]
    concurrency: int | None = None
    starts: int | None = None
    per: float | None = None
    burst: int | None = None

    def aim(self, state: State) -> Move:
        kind, name = self.scope
        where: dict[str, Any] = {kind: name}

        def judge(after: State, heard: Any) -> None:
            accepted(heard)
            old = after.limits.pop(self.scope, None)
            if self.concurrency is None and self.starts is None:
                return
            new = Bucket(self.concurrency, self.starts, self.per, self.burst)
            if old is not None and old.interval and new.interval:
                new.full_at = old.full_at
                new.limit_to(after.now)
            after.limits[self.scope] = new

        return move(
            lambda scheduler: scheduler.set_limit(
                concurrency=self.concurrency,
                starts=self.starts,
                per=self.per,
                burst=self.burst,
                **where,
            ),
            judge,
        )
