"""Every move that the table names works, every other raises, and each verb does what it says."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from msgspec.structs import replace

from scheduler.domain import lifecycle
from scheduler.domain.errors import IllegalTransition
from scheduler.domain.task import FINISHED, Status, Task
from tests.domain.making import make_task

NOW = 1.8e9


def task_in(status: Status) -> Task:
    task = replace(make_task(7), status=status, attempt=1, revision=4, token="secret")
    if status is Status.RUNNING:
        return replace(
            task, holder="w", lease_s=30.0, lease_expires_s=NOW + 30, started_s=NOW - 5, ready_s=NOW
        )
    return task


def opened_later(task: Task) -> Task:
    return lifecycle.open_at(replace(task, not_before_s=NOW + 60), NOW)


VERBS: list[tuple[Callable[[Task], Task], Status]] = [
    (lambda task: lifecycle.open_at(task, NOW), Status.READY),
    (opened_later, Status.SCHEDULED),
    (lifecycle.block, Status.BLOCKED),
    (lambda task: lifecycle.claim(task, "w", "token", 30.0, NOW), Status.RUNNING),
    (lambda task: lifecycle.complete(task, None, NOW), Status.COMPLETED),
    (lambda task: lifecycle.fail(task, "why", NOW), Status.FAILED),
    (lambda task: lifecycle.retry_later(task, "why", 5.0, NOW), Status.SCHEDULED),
    (lifecycle.release, Status.READY),
    (lambda task: lifecycle.cancel(task, NOW), Status.CANCELLED),
    (lifecycle.reopen, Status.BLOCKED),
]


@pytest.mark.parametrize(("before", "after"), list(product(Status, Status)))
def test_a_verb_moves_a_task_if_and_only_if_the_table_says_so(
    before: Status, after: Status
) -> None:
    task = task_in(before)
    for verb, to in VERBS:
        if to is not after:
            continue
        if after in lifecycle.MOVES[before]:
            moved = verb(task)
            assert moved.status is after
            assert moved.revision == task.revision + 1
        elif before is not after:
            with pytest.raises(IllegalTransition, match=f"is {before} ") as caught:
                verb(task)
            assert caught.value.received == task.id
            assert str(before) in str(caught.value.allowed)


def test_no_task_moves_to_where_it_is_and_only_retry_leads_back_from_an_end() -> None:
    for before, moves in lifecycle.MOVES.items():
        assert before not in moves
        assert not (before in FINISHED and moves & (FINISHED | {Status.RUNNING}))
    assert lifecycle.MOVES.keys() == set(Status)
    assert not lifecycle.MOVES[Status.COMPLETED]


@pytest.mark.parametrize("status", [Status.READY, Status.BLOCKED])
def test_opening_or_blocking_twice_is_no_change(status: Status) -> None:
    task = task_in(status)
    again = lifecycle.open_at(task, NOW) if status is Status.READY else lifecycle.block(task)
    assert again is task


def test_a_new_task_opens_in_its_first_revision() -> None:
    assert lifecycle.open_new(make_task(1), NOW).revision == 1


def test_a_claim_counts_an_attempt_and_a_release_gives_it_back_with_the_place() -> None:
    ready = lifecycle.open_at(make_task(1), NOW - 50)
    claimed = lifecycle.claim(ready, "worker", "token", 30.0, NOW)
    assert (claimed.attempt, claimed.holder, claimed.lease_expires_s) == (1, "worker", NOW + 30)
    released = lifecycle.release(claimed)
    assert (released.attempt, released.holder, released.ready_s) == (0, None, NOW - 50)


def test_a_heartbeat_extends_the_lease_and_is_no_revision() -> None:
    task = task_in(Status.RUNNING)
    beaten = lifecycle.heartbeat(task, None, 0.5, None, NOW + 10)
    assert (beaten.lease_expires_s, beaten.progress, beaten.revision) == (NOW + 40, 0.5, 4)
    assert lifecycle.heartbeat(beaten, 60.0, None, "half", NOW).lease_expires_s == NOW + 60
    assert lifecycle.heartbeat(beaten, None, None, None, NOW).progress == 0.5


def test_a_completed_task_keeps_its_token_but_no_lease() -> None:
    done = lifecycle.complete(task_in(Status.RUNNING), '{"ok":true}', NOW)
    assert (done.token, done.holder, done.lease, done.result) == (
        "secret",
        None,
        None,
        {"ok": True},
    )


def test_an_expired_lease_requeues_until_the_attempts_are_spent() -> None:
    task = task_in(Status.RUNNING)
    again = lifecycle.expire(task, NOW)
    assert (again.status, again.attempt, again.token, again.ready_s) == (Status.READY, 1, None, NOW)
    spent = lifecycle.expire(replace(task, attempt=3), NOW)
    assert (spent.status, spent.token) == (Status.FAILED, None)
    assert spent.error is not None and "attempt 3 of 3" in spent.error


def test_the_story_of_an_expired_lease_holds_with_and_without_heartbeats() -> None:
    """There may have been some, but none in time."""
    silent = lifecycle.expire(task_in(Status.RUNNING), NOW)
    beating = lifecycle.heartbeat(task_in(Status.RUNNING), 3.0, None, None, NOW)
    late = lifecycle.expire(beating, NOW + 3)
    assert late.error == "the lease of 3 s expired, as no heartbeat came in time"
    assert silent.error is not None and silent.error.endswith("as no heartbeat came in time")


def test_a_cancelled_task_forgets_its_token_and_names_its_cause() -> None:
    cancelled = lifecycle.cancel(task_in(Status.RUNNING), NOW, "no longer wanted", cause=3)
    assert (cancelled.token, cancelled.cause_number) == (None, 3)
    assert cancelled.error == "no longer wanted"


def test_a_reopened_task_starts_over() -> None:
    failed = lifecycle.fail(task_in(Status.RUNNING), "why", NOW)
    opened = lifecycle.reopen(failed)
    assert (opened.attempt, opened.error, opened.finished_s, opened.token) == (0, None, None, None)


def test_backoff_doubles_up_to_five_minutes_and_jitter_takes_up_to_half() -> None:
    full = [lifecycle.backoff(attempt, 1.0) for attempt in range(1, 12)]
    assert full == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert [lifecycle.backoff(attempt, 0.0) for attempt in range(1, 12)] == [n / 2 for n in full]


def test_an_attempt_tells_who_tried_when() -> None:
    attempt = lifecycle.attempt_of(task_in(Status.RUNNING), "failed", NOW, "why")
    assert (attempt.number, attempt.attempt, attempt.holder) == (7, 1, "w")
    assert (attempt.started_s, attempt.ended_s, attempt.error) == (NOW - 5, NOW, "why")
