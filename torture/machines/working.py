"""Steps of workers: claims, heartbeats, and how attempts end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scheduler import Ended
from scheduler.domain import ids
from torture.machines.moves import Move, move
from torture.machines.passing import grant, may_serve
from torture.machines.state import (
    BLOCKED,
    CANCELLED,
    COMPLETED,
    FAILED,
    READY,
    RUNNING,
    SCHEDULED,
    Asked,
    Row,
    State,
    Waiting,
    accepted,
    close,
    refused,
)

BACKOFF_CAP = 300.0  # seconds


def shown(claim: tuple[int, str]) -> tuple[str, str]:
    return ids.encode(claim[0]), claim[1]


def holds(state: State, claim: tuple[int, str]) -> Row | None:
    """The running task that this claim holds."""
    row = state.rows.get(claim[0])
    return row if row is not None and row.status is RUNNING and row.token == claim[1] else None


def refused_holder(state: State, claim: tuple[int, str], heard: Any) -> None:
    """Somebody without a valid lease was told why."""
    row = state.rows.get(claim[0])
    if row is None:
        refused(heard, "unknown_task")
    elif row.status in (COMPLETED, FAILED):
        refused(heard, "already_finished")
    else:
        assert row.status in (RUNNING, READY, SCHEDULED, BLOCKED, CANCELLED)
        refused(heard, "lease_lost")


def is_repeated(state: State, claim: tuple[int, str], verb: str) -> bool:
    row = state.rows.get(claim[0])
    return row is not None and row.over == (claim[1], verb)


@dataclass(frozen=True)
class Claims:
    holder: str
    lanes: tuple[str, ...] | None
    limit: int
    lease: float
    wait: float

    def aim(self, state: State) -> Move:
        def judge(after: State, asked: Asked) -> None:
            if self.wait and not may_serve(after, self.lanes, asked):
                until = after.now + self.wait
                after.waiting.append(
                    Waiting(self.holder, self.lanes, self.limit, self.lease, until, asked)
                )
            else:
                assert asked.done, "it waits although there is something to do"
                claims = accepted(asked.heard)
                grant(after, self.holder, self.lanes, self.limit, self.lease, claims)

        return Move(
            lambda scheduler: scheduler.claim(
                self.holder, self.lanes, limit=self.limit, lease=self.lease, wait=self.wait
            ),
            judge,
        )


@dataclass(frozen=True)
class Heartbeats:
    claim: int
    lease: float | None

    def aim(self, state: State) -> Move:
        claim = state.pick_claim(self.claim)

        def judge(after: State, heard: Any) -> None:
            row = holds(after, claim)
            if row is None:
                refused_holder(after, claim, heard)
                return
            row.leases.append(row.leases[-1] if self.lease is None else self.lease)
            row.expires = after.now + row.leases[-1]
            assert close(accepted(heard).timestamp(), row.expires)

        return move(lambda scheduler: scheduler.heartbeat(shown(claim), lease=self.lease), judge)


@dataclass(frozen=True)
class Completes:
    """`complete_many` for several claims, `complete` for one."""

    claims: tuple[int, ...]
    result: int | None

    def aim(self, state: State) -> Move:
        claims = [state.pick_claim(index) for index in self.claims]
        if len(claims) == 1:
            return move(
                lambda scheduler: scheduler.complete(shown(claims[0]), self.result),
                lambda after, heard: self._judge(after, claims, [heard]),
            )
        return move(
            lambda scheduler: scheduler.complete_many(
                [(shown(claim), self.result) for claim in claims]
            ),
            lambda after, heard: self._judge(after, claims, accepted(heard)),
        )

    def _judge(self, after: State, claims: Sequence[tuple[int, str]], heard: Sequence[Any]) -> None:
        for claim, outcome in zip(claims, heard, strict=True):
            self._judge_one(after, claim, outcome)

    def _judge_one(self, after: State, claim: tuple[int, str], heard: Any) -> None:
        row = holds(after, claim)
        if row is not None:
            row.stop_running("completed")
            row.result, row.over = self.result, (claim[1], "complete")
            assert row.started is not None
            after.seconds.setdefault(row.lane, []).append(max(0.0, after.now - row.started))
            check_ended(heard, row, *after.finish(row, COMPLETED))
        elif is_repeated(after, claim, "complete"):
            check_ended(heard, after.rows[claim[0]], set(), set())
        else:
            refused_holder(after, claim, heard)


def check_ended(heard: Any, row: Row, released: set[int], fallen: set[int]) -> None:
    ended: Ended = accepted(heard)
    assert ended.task.number == row.number
    assert list(ended.released) == [ids.encode(number) for number in sorted(released)]
    assert set(ended.fallen) == {ids.encode(number) for number in fallen}
    assert len(ended.fallen) == len(fallen)


@dataclass(frozen=True)
class Fails:
    claim: int
    retryable: bool
    retry_after: float | None

    def aim(self, state: State) -> Move:
        claim = state.pick_claim(self.claim)
        return move(
            lambda scheduler: scheduler.fail(
                shown(claim), "boom", retryable=self.retryable, retry_after=self.retry_after
            ),
            lambda after, heard: self._judge(after, claim, heard),
        )

    def _judge(self, after: State, claim: tuple[int, str], heard: Any) -> None:
        row = holds(after, claim)
        if row is None and is_repeated(after, claim, "fail"):
            check_ended(heard, after.rows[claim[0]], set(), set())
        elif row is None:
            refused_holder(after, claim, heard)
        else:
            row.stop_running("failed")
            row.over = (claim[1], "fail")
            if self.retryable and row.attempt < row.max_attempts:
                check_ended(heard, row, set(), set())
                self._try_again(after, row, heard.task.not_before_s)
            else:
                check_ended(heard, row, *after.finish(row, FAILED))

    def _try_again(self, after: State, row: Row, not_before: float) -> None:
        delay = not_before - after.now
        if self.retry_after is None:
            nominal = min(BACKOFF_CAP, 2.0 ** (row.attempt - 1))
            assert nominal / 2 <= delay <= nominal
        else:
            assert close(delay, self.retry_after)
        row.status, row.ready, row.not_before = SCHEDULED, None, not_before
        after.note(row)


@dataclass(frozen=True)
class Releases:
    claim: int

    def aim(self, state: State) -> Move:
        claim = state.pick_claim(self.claim)

        def judge(after: State, heard: Any) -> None:
            row = holds(after, claim)
            if row is not None:
                _give_back(after, row, "released")
                row.over = (claim[1], "release")
                check_ended(heard, row, set(), set())
            elif is_repeated(after, claim, "release"):
                check_ended(heard, after.rows[claim[0]], set(), set())
            else:
                refused_holder(after, claim, heard)

        return move(lambda scheduler: scheduler.release(shown(claim)), judge)


@dataclass(frozen=True)
class ReleasesHolders:
    prefix: str

    def aim(self, state: State) -> Move:
        def judge(after: State, heard: Any) -> None:
            rows = [row for row in after.of(RUNNING) if str(row.holder).startswith(self.prefix)]
            assert {task.number for task in accepted(heard)} == {row.number for row in rows}
            for row in rows:
                _give_back(after, row, "interrupted")
                row.over = None

        return move(lambda scheduler: scheduler.release_holders(self.prefix), judge)


def _give_back(after: State, row: Row, outcome: str) -> None:
    """Undone: it costs no attempt, and the task keeps its place in the queue."""
    row.stop_running(outcome)
    row.status, row.attempt, row.started = READY, row.attempt - 1, None
    after.note(row)
