"""What time does by itself, and who of those that wait is served: computed moment by moment."""

from __future__ import annotations

from math import inf
from typing import Any

from scheduler import Claim
from torture.machines.scoring import check_first
from torture.machines.state import (
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
)

JUMP = 10.0  # seconds: a longer step of the clock gives every lease its full time


def pass_to(state: State, end: float) -> None:
    """Let time go to `end`, and happen what is due on the way."""
    while (moment := _next_moment(state)) <= end:
        state.now = max(state.now, moment)
        settle(state)
    state.now = end
    settle(state)


def _next_moment(state: State) -> float:
    """When something happens next; always later than now."""
    moments = [row.expires for row in state.of(RUNNING)]
    moments += [row.not_before for row in state.of(SCHEDULED) if row.not_before is not None]
    moments += [waiting.until for waiting in state.waiting]
    moments += [bucket.opens(state.now) for bucket in state.limits.values() if state.waiting]
    return min((moment for moment in moments if moment > state.now), default=inf)


def settle(state: State) -> None:
    """Happen what is due now, then serve those who wait."""
    for waiting in [waiting for waiting in state.waiting if waiting.until <= state.now]:
        state.waiting.remove(waiting)
        assert accepted(heard_by(waiting)) == []
    for row in state.of(SCHEDULED):
        if row.not_before is not None and row.not_before <= state.now:
            state.place(row)
    due = [row for row in state.of(RUNNING) if row.expires <= state.now]
    due.sort(key=lambda row: (row.expires, row.number))
    last = [row for row in due if row.attempt >= row.max_attempts]
    for row in due:
        if row not in last:
            row.stop_running("expired")
            row.over, row.status = None, READY
            state.note(row)
    serve(state)
    for row in last:  # what this releases comes a moment later
        row.stop_running("expired")
        row.over = None
        state.finish(row, FAILED)
    serve(state)


def serve(state: State) -> None:
    """Whoever waits longest comes first, if there is something for it."""
    for waiting in list(state.waiting):
        if may_serve(state, waiting.lanes, waiting.asked):
            state.waiting.remove(waiting)
            claims = accepted(heard_by(waiting))
            assert claims, "an empty answer although there was something to do"
            grant(state, waiting.holder, waiting.lanes, waiting.limit, waiting.lease, claims)


def may_serve(state: State, lanes: tuple[str, ...] | None, asked: Asked) -> bool:
    """Whether there is something for a claim; if only what it may miss, then as it was heard."""
    if state.must_start(lanes):
        return True
    first = asked.heard[:1] if isinstance(asked.heard, list) else []
    return any(claim.task.number == row.number for claim in first for row in state.startable(lanes))


def heard_by(waiting: Waiting) -> Any:
    assert waiting.asked.done, "a claim goes on waiting although its moment has come"
    return waiting.asked.heard


def grant(
    state: State,
    holder: str,
    lanes: tuple[str, ...] | None,
    limit: int,
    lease: float,
    claims: list[Claim],
) -> None:
    """These claims were given out, one after the other; no other ones could have been."""
    assert len(claims) <= limit
    for claim in claims:
        row = state.rows.get(claim.task.number)
        assert row in state.startable(lanes), _why(state, claim, row)
        assert row is not None
        check_first(state, row, state.must_start(lanes))
        _start(state, row, holder, lease, claim)
    if len(claims) < limit:
        left = state.must_start(lanes)
        assert not left, f"there is more to do: {left}"


def _why(state: State, claim: Claim, row: Row | None) -> str:
    held_back = {scope: bucket for scope, bucket in state.limits.items() if row is not None}
    return f"{claim.task.id} must not start at {state.now}: {row}, {held_back}, {state.paused}"


def _start(state: State, row: Row, holder: str, lease: float, claim: Claim) -> None:
    assert claim.token not in {token for _, token in state.tokens}
    state.tokens.append((row.number, claim.token))
    for scope in state.scopes(row):
        bucket = state.limits.get(scope)
        if bucket is not None and bucket.starts is not None:
            bucket.take(state.now)
    state.note(row)
    row.status, row.attempt, row.over = RUNNING, row.attempt + 1, None
    row.holder, row.token, row.started = holder, claim.token, state.now
    row.leases, row.expires = [lease], state.now + lease
    task = claim.task
    assert (task.holder, task.attempt) == (holder, row.attempt)
    assert close(task.started_s, state.now)
    assert close(task.lease_expires_s, row.expires)
    left = [state.rows[number] for number in row.needs]
    assert claim.results == {r.id: r.result for r in left if r.result is not None}


def jump(state: State, seconds: float) -> None:
    """The wall clock stepped: back, or forwards."""
    if seconds < 0:
        state.behind -= seconds
        return
    made_good = min(state.behind, seconds)
    state.behind -= made_good
    state.now += seconds - made_good
    if seconds - made_good > JUMP:
        renew_leases(state)
    settle(state)


def renew_leases(state: State) -> None:
    """Every lease starts anew: nobody could be heard in the meantime."""
    for row in state.of(RUNNING):
        row.expires = state.now + row.leases[-1]
