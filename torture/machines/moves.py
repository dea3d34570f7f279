"""One call of the public API: how it is made, and what the model says of its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from scheduler import Scheduler
from torture.machines.state import Asked, State

Ask = Callable[[Scheduler], Awaitable[Any]]
Judge = Callable[[State, Asked], None]


class Move(NamedTuple):
    """`judge` raises AssertionError where the answer is not allowed, else follows it.

    `withdraws` is the number of a task that is out of the queue while this call changes it.
    """

    ask: Ask
    judge: Judge
    withdraws: int = 0


class Step(Protocol):
    """A move with its choices still open: small numbers, that shrink."""

    def aim(self, state: State) -> Move:
        """Choose by what is there now."""
        ...


def move(ask: Ask, judge: Callable[[State, Any], None], withdraws: int = 0) -> Move:
    """One that is answered at once; `judge` gets what was heard."""

    def judged(state: State, asked: Asked) -> None:
        assert asked.done, "the call is not answered"
        judge(state, asked.heard)

    return Move(ask, judged, withdraws)
