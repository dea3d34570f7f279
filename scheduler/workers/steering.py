"""What a handler raises to say what comes next, and the policy where it says nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from scheduler.domain.encoding import number_in
from scheduler.domain.errors import InvalidRequest
from scheduler.domain.request import TEN_YEARS

Kinds = tuple[type[BaseException], ...]


class Retry(Exception):
    """Raised by a handler: this attempt has failed, the next one is to begin `after` so long.

        raise Retry(after=60, reason="the registry is down")

    `after` is seconds or a timedelta; None leaves it to the handler's RetryPolicy. The attempt
    counts: when the task's attempts are spent, it has failed.
    """

    def __init__(
        self, after: float | timedelta | None = None, reason: str = "another attempt was asked for"
    ) -> None:
        seconds = after.total_seconds() if isinstance(after, timedelta) else after
        if seconds is not None:
            number_in("after", seconds, 0, TEN_YEARS)
        super().__init__(reason)
        self.after = seconds
        self.reason = reason


class GiveUp(Exception):
    """Raised by a handler: the task has failed for good, however many attempts are left."""

    def __init__(self, reason: str = "the handler has given up") -> None:
        super().__init__(reason)
        self.reason = reason


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When the next attempt begins after a handler has raised, and whether there is one.

        RetryPolicy(first=5, cap=600, give_up_on=(ValueError,))

    Attempt n is followed after `first * factor ** (n - 1)` seconds, `cap` at the most; with
    `jitter` after half of that to all of it. `attempts` can only lower the task's own
    `max_attempts`. An error of a kind in `give_up_on` fails the task for good, as does one that
    is of no kind in `retry_on`, if that is given. A timeout counts as a TimeoutError.
    """

    first: float = 1.0
    factor: float = 2.0
    cap: float = 300.0
    jitter: bool = True
    attempts: int | None = None
    give_up_on: Kinds = ()
    retry_on: Kinds | None = None

    def __post_init__(self) -> None:
        number_in("first", self.first, 0, TEN_YEARS)
        number_in("factor", self.factor, 1, 1_000)
        number_in("cap", self.cap, 0, TEN_YEARS)
        if self.attempts is not None:
            number_in("attempts", self.attempts, 1, 1_000, whole=True)
        _check_kinds("give_up_on", self.give_up_on)
        if self.retry_on is not None:
            _check_kinds("retry_on", self.retry_on)

    def retries(self, error: BaseException, attempt: int) -> bool:
        """Whether another attempt may follow attempt number `attempt`, which raised this."""
        if self.attempts is not None and attempt >= self.attempts:
            return False
        if isinstance(error, self.give_up_on):
            return False
        return self.retry_on is None or isinstance(error, self.retry_on)

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds between attempt number `attempt` and the next; `chance` is in 0..1.

        >>> RetryPolicy(first=2.0).delay(3, 1.0), RetryPolicy(first=2.0).delay(3, 0.0)
        (8.0, 4.0)
        """
        try:
            nominal = min(self.cap, self.first * self.factor ** (attempt - 1))
        except OverflowError:
            nominal = self.cap
        return nominal * (0.5 + chance / 2) if self.jitter else nominal


def _check_kinds(field: str, kinds: Any) -> None:
    if isinstance(kinds, tuple) and all(
        isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds
    ):
        return
    raise InvalidRequest(
        f"{field} holds something that is no class of exceptions",
        field=field,
        received=ascii(kinds)[:80],
        allowed="a tuple of classes of exceptions",
        hint=f"Write {field}=(ValueError,), also for one.",
    )
