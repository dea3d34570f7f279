"""Steps that make tasks or edges: enqueue, add_prerequisites, retry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import fmean
from typing import Any

from scheduler import Task, TaskSpec
from scheduler.domain import ids
from scheduler.domain.task import moment
from torture.machines.moves import Move, move
from torture.machines.state import (
    BLOCKED,
    CANCELLED,
    COMPLETED,
    DEAD,
    READY,
    RUNNING,
    SCHEDULED,
    Row,
    State,
    accepted,
    has_circle,
    refused,
)

LATER = -9


@dataclass(frozen=True)
class Wish:
    """A task to be made. A reference below zero is a place in the same batch.

    -1 is the one before, -2 that before it; LATER is the one behind, with which a circle can come
    about.
    """

    lane: str = "general"
    base: int = 5
    source: str = "human"
    group: str | None = None
    limit_key: str | None = None
    key: str | None = None
    requires: tuple[int, ...] = ()
    follows: tuple[int, ...] = ()
    parent: int | None = None
    starts_in: float | None = None
    due_in: float | None = None
    estimate: float | None = None
    max_attempts: int = 3


@dataclass(frozen=True)
class _Aimed:
    """A wish whose references are numbers of tasks, or places below zero; times are moments."""

    wish: Wish
    requires: tuple[int, ...]
    follows: tuple[int, ...]
    parent: int | None
    not_before: float | None
    deadline: float | None

    def request(self, numbers: Sequence[int]) -> object:
        """The same for requests that ask for the same; `numbers` are those of the batch."""
        return (
            replace_key(self.wish),
            sorted(resolve(self.requires, numbers)),
            sorted(resolve(self.follows, numbers)),
            (self.parent, self.not_before, self.deadline),
        )


def replace_key(wish: Wish) -> object:
    return (
        (wish.lane, wish.base, wish.source, wish.group, wish.limit_key),
        (wish.estimate, wish.max_attempts),
    )


def resolve(references: Sequence[int], numbers: Sequence[int]) -> list[int]:
    return list(dict.fromkeys(numbers[-1 - r] if r < 0 else r for r in references))


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment(seconds)


@dataclass(frozen=True)
class Enqueues:
    wishes: tuple[Wish, ...]

    def aim(self, state: State) -> Move:
        aimed = [self._aim(state, place) for place in range(len(self.wishes))]
        specs = [_spec(one) for one in aimed]
        for spec, one in zip(specs, aimed, strict=True):
            for edges, references in ((spec[1], one.requires), (spec[2], one.follows)):
                edges += [specs[-1 - r][0] if r < 0 else ids.encode(r) for r in references]
        batch = [spec for spec, _, _ in specs]
        if len(batch) == 1:
            return move(
                lambda scheduler: scheduler.enqueue(batch[0]),
                lambda after, heard: self._judge(
                    after, aimed, [heard] if isinstance(heard, Task) else heard
                ),
            )
        return move(
            lambda scheduler: scheduler.enqueue_many(batch),
            lambda after, heard: self._judge(after, aimed, heard),
        )

    def _aim(self, state: State, place: int) -> _Aimed:
        wish = self.wishes[place]
        if any(wish.key == earlier.key for earlier in self.wishes[:place]):
            wish = replace(wish, key=None)
        return _Aimed(
            wish,
            self._references(state, place, wish.requires),
            self._references(state, place, wish.follows),
            None if wish.parent is None or not state.rows else state.pick(wish.parent),
            None if wish.starts_in is None else state.now + wish.starts_in,
            None if wish.due_in is None else state.now + wish.due_in,
        )

    def _references(self, state: State, place: int, given: tuple[int, ...]) -> tuple[int, ...]:
        """As numbers, and places from -1 on; without those that lead nowhere."""
        found: dict[int, None] = {}
        for reference in given:
            other = place + (1 if reference == LATER else reference)
            if reference >= 0 and state.rows:
                found[state.pick(reference, BLOCKED, SCHEDULED, READY, RUNNING)] = None
            elif reference < 0 and 0 <= other < len(self.wishes):
                found[-1 - other] = None
        return tuple(found)

    def _judge(self, after: State, aimed: Sequence[_Aimed], heard: Any) -> None:
        by_key = {row.key: row for row in after.rows.values() if row.key is not None}
        known = [None if one.wish.key is None else by_key.get(one.wish.key) for one in aimed]
        numbers = [-1 - p if row is None else row.number for p, row in enumerate(known)]
        if any(
            row and row.request != one.request(numbers)
            for row, one in zip(known, aimed, strict=True)
        ):
            refused(heard, "key_conflict")
            return
        fresh = {
            -1 - p: one for p, (row, one) in enumerate(zip(known, aimed, strict=True)) if not row
        }
        codes = {code for one in fresh.values() for code in _obstacles(after, one, numbers)}
        if codes:
            refused(heard, *codes)
        elif len(after.unfinished()) + len(fresh) > after.max_unfinished:
            refused(heard, "overloaded")
        elif has_circle({n: _inner(one, numbers) for n, one in fresh.items()}):
            refused(heard, "dependency_cycle")
        else:
            _make(after, aimed, known, accepted(heard))


def _spec(one: _Aimed) -> tuple[TaskSpec, list[TaskSpec | str], list[TaskSpec | str]]:
    """The spec, and its lists of edges, to be filled in."""
    wish = one.wish
    requires: list[TaskSpec | str] = []
    follows: list[TaskSpec | str] = []
    spec = TaskSpec(
        "work",
        source=wish.source,
        agent_type=wish.lane,
        base_priority=wish.base,
        prerequisites=requires,
        run_after=follows,
        deadline=_moment(one.deadline),
        not_before=_moment(one.not_before),
        estimated_duration=wish.estimate,
        key=wish.key,
        group=wish.group,
        parent_id=None if one.parent is None else ids.encode(one.parent),
        max_attempts=wish.max_attempts,
        limit_key=wish.limit_key,
    )
    return spec, requires, follows


def _inner(one: _Aimed, numbers: Sequence[int]) -> set[int]:
    """The places of fresh tasks that it names."""
    return {n for n in resolve(one.requires + one.follows, numbers) if n < 0}


def _obstacles(after: State, one: _Aimed, numbers: Sequence[int]) -> list[str]:
    """Why it cannot be made, as codes."""
    codes = []
    for number in resolve(one.requires, numbers):
        codes += obstacle(after, number, strict=True)
    for number in resolve(one.follows, numbers):
        codes += obstacle(after, number, strict=False)
    if one.parent is not None and one.parent not in after.rows:
        codes.append("unknown_task")
    return codes


def obstacle(after: State, number: int, *, strict: bool) -> list[str]:
    """Why a task must not wait for that one."""
    if number < 0:
        return []
    if number not in after.rows:
        return ["unknown_prerequisite"]
    return ["prerequisite_failed"] if strict and after.rows[number].status in DEAD else []


def _make(
    after: State, aimed: Sequence[_Aimed], known: Sequence[Row | None], tasks: Sequence[Task]
) -> None:
    assert len(tasks) == len(aimed)
    numbers = [task.number for task in tasks]
    newest = max(after.rows, default=0)
    made: list[Row] = []
    for one, row, task in zip(aimed, known, tasks, strict=True):
        assert task.existing == (row is not None)
        if row is not None:
            assert task.number == row.number
            continue
        assert task.number > newest, "ids must rise"
        newest = task.number
        made.append(_row(after, one, numbers, task))
    for row in made:
        after.rows[row.number] = row
    for row in made:
        after.name_all(row)
    for row in made:
        row.depth = row.shown_depth = depth(after, row, {other.number for other in made})
        after.place(row)


def _row(after: State, one: _Aimed, numbers: Sequence[int], task: Task) -> Row:
    wish = one.wish
    learned = after.seconds.get(wish.lane)
    estimate = wish.estimate
    if estimate is None:
        estimate = fmean(learned) if learned else 60.0
        assert abs(task.estimated_duration - estimate) < 1e-6 * (1.0 + estimate)
        estimate = task.estimated_duration
    needs = dict.fromkeys(resolve(one.follows, numbers), False)
    return Row(
        number=task.number,
        lane=wish.lane,
        base=wish.base,
        source=wish.source,
        group=wish.group,
        limit_key=wish.limit_key,
        key=wish.key,
        parent=one.parent,
        deadline=one.deadline,
        not_before=one.not_before,
        estimate=estimate,
        max_attempts=wish.max_attempts,
        created=after.now,
        request=one.request(numbers),
        needs=needs | dict.fromkeys(resolve(one.requires, numbers), True),
        waits=set(),
    )


def depth(state: State, row: Row, fresh: set[int]) -> int:
    """1 + that of the deepest task it waits for; those that are not fresh keep theirs."""
    depths = [
        depth(state, state.rows[n], fresh) if n in fresh else state.rows[n].depth for n in row.waits
    ]
    return 1 + max(depths, default=-1)


@dataclass(frozen=True)
class AddsPrerequisites:
    task: int
    requires: tuple[int, ...]
    follows: tuple[int, ...]

    def aim(self, state: State) -> Move:
        number = state.pick(self.task, BLOCKED, SCHEDULED, READY)
        requires = _chosen(state, self.requires)
        follows = _chosen(state, self.follows)
        return move(
            lambda scheduler: scheduler.add_prerequisites(
                ids.encode(number),
                list(ids.encode_all(requires)),
                run_after=list(ids.encode_all(follows)),
            ),
            lambda after, heard: self._judge(after, number, requires, follows, heard),
            withdraws=number,
        )

    def _judge(
        self, after: State, number: int, requires: list[int], follows: list[int], heard: Any
    ) -> None:
        row = after.rows.get(number)
        if row is None:
            refused(heard, "unknown_task")
        elif not row.unfinished:
            refused(heard, "already_finished")
        elif row.status is RUNNING:
            refused(heard, "illegal_transition")
        elif number in requires + follows:
            refused(heard, "dependency_cycle")
        else:
            self._judge_edges(after, row, requires, follows, heard)

    def _judge_edges(
        self, after: State, row: Row, requires: list[int], follows: list[int], heard: Any
    ) -> None:
        requires = [n for n in requires if not row.needs.get(n)]
        follows = [n for n in follows if n not in row.needs and n not in requires]
        codes = [c for n in requires for c in obstacle(after, n, strict=True)]
        codes += [c for n in follows for c in obstacle(after, n, strict=False)]
        if codes:
            refused(heard, *codes)
            return
        trial = after.copy()
        mine = trial.rows[row.number]
        _connect(trial, mine, requires, follows)
        if has_circle({other.number: other.waits for other in trial.unfinished()}):
            refused(heard, "dependency_cycle")
            return
        assert accepted(heard).number == row.number
        _connect(after, row, requires, follows)
        after.place(row)


def _chosen(state: State, choices: Sequence[int]) -> list[int]:
    open_ = (BLOCKED, SCHEDULED, READY, RUNNING)
    return list(dict.fromkeys(state.pick(index, *open_) for index in choices))


def _connect(state: State, row: Row, requires: list[int], follows: list[int]) -> None:
    row.needs |= dict.fromkeys(follows, False)
    row.needs |= dict.fromkeys(requires, True)
    if any(state.is_unfinished(number) for number in requires + follows):
        state.name_all(row)


@dataclass(frozen=True)
class Retries:
    task: int
    cascade: bool

    def aim(self, state: State) -> Move:
        number = state.pick(self.task, *DEAD)
        return move(
            lambda scheduler: scheduler.retry(ids.encode(number), cascade=self.cascade),
            lambda after, heard: self._judge(after, number, heard),
        )

    def _judge(self, after: State, number: int, heard: Any) -> None:
        row = after.rows.get(number)
        if row is None:
            refused(heard, "unknown_task")
        elif row.unfinished or row.status is COMPLETED:
            refused(heard, "illegal_transition")
        elif any(strict and after.rows[n].status in DEAD for n, strict in row.needs.items()):
            refused(heard, "prerequisite_failed")
        else:
            self._judge_reopened(after, row, heard)

    def _judge_reopened(self, after: State, row: Row, heard: Any) -> None:
        again = [row, *(_come_back(after, row) if self.cascade else ())]
        trial = after.copy()
        _reopen(trial, [trial.rows[one.number] for one in again])
        if len(trial.unfinished()) > after.max_unfinished:
            refused(heard, "overloaded")
        elif has_circle({other.number: other.waits for other in trial.unfinished()}) or (
            self.cascade and has_circle({n: set(after.rows[n].needs) for n in _fell(after, row)})
        ):
            refused(heard, "dependency_cycle")
        else:
            tasks = accepted(heard)
            assert [task.number for task in tasks[:1]] == [row.number]
            assert {task.number for task in tasks} == {one.number for one in again}
            assert len(tasks) == len(again)
            _reopen(after, again)


def _fell(after: State, root: Row) -> set[int]:
    """What fell with it."""
    fell = {root.number}
    while (
        more := {
            row.number
            for row in after.of(CANCELLED)
            if row.cause == root.number and fell & row.needs.keys()
        }
        - fell
    ):
        fell |= more
    return fell - {root.number}


def _come_back(after: State, root: Row) -> list[Row]:
    """What fell with it, and is held down by nothing else."""
    fell = _fell(after, root)
    back = {root.number}
    while more := {n for n in fell if _can_succeed(after, after.rows[n], back)} - back:
        back |= more
    return [after.rows[number] for number in sorted(back - {root.number})]


def _can_succeed(after: State, row: Row, back: set[int]) -> bool:
    return not any(
        strict and number not in back and after.rows[number].status in DEAD
        for number, strict in row.needs.items()
    )


def _reopen(state: State, rows: list[Row]) -> None:
    for row in rows:
        row.status, row.attempt, row.over, row.cause = BLOCKED, 0, None, None
        row.started = row.finished = row.ready = None
        row.depth = 0
    for row in rows:
        state.name_all(row)
    for row in rows:
        row.depth = depth(state, row, {one.number for one in rows})
        state.place(row)
    for other in state.of(BLOCKED):
        if other.needs.keys() & {row.number for row in rows}:
            state.name_all(other)
