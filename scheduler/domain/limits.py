"""Limits: how many attempts may run at once, how often one may start, and shares of groups.

A limit is a row of the file and holds for every worker, wherever its claims come from. What it
counts is the set of live attempts itself; nothing is counted up and down beside it.
"""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf
from typing import Literal

import msgspec
from msgspec.structs import replace

from scheduler.domain.task import Task

LimitKind = Literal["agent_type", "limit_key", "group"]
LimitScope = tuple[LimitKind, str]


class Limit(msgspec.Struct, frozen=True):
    """What holds for the tasks of one agent_type, limit_key or group; None: no limit.

    `concurrency`: attempts that may run at once. `starts` in `per` seconds: a token bucket that
    holds `burst` (default: `starts`) and fills evenly. `weight`: for groups, the share of starts
    when several have tasks that are ready; 1 where none is set. `full_s`: when the bucket is
    full again (Unix seconds).
    """

    kind: LimitKind
    name: str
    concurrency: int | None = None
    starts: int | None = None
    per: float | None = None
    burst: int | None = None
    weight: float | None = None
    full_s: float = 0.0

    @property
    def scope(self) -> LimitScope:
        return self.kind, self.name

    @property
    def empty(self) -> bool:
        """Whether it limits nothing: such a limit is not kept."""
        return self.concurrency is None and self.starts is None and self.weight is None

    @property
    def opens_s(self) -> float:
        """When its bucket holds a token (Unix seconds); 0 without a rate."""
        if self.starts is None or self.per is None:
            return 0.0
        return self.full_s - (self.capacity - 1) * self.per / self.starts

    @property
    def capacity(self) -> int:
        return self.burst or self.starts or 0

    def after_start(self, now: float) -> Limit:
        """With one token less, of a limit with a rate. This is the generic cell rate algorithm, a
        token bucket in one number (ITU-T recommendation I.371).
        """
        assert self.starts is not None
        assert self.per is not None
        return replace(self, full_s=max(self.full_s, now) + self.per / self.starts)

    def as_of(self, now: float, full_s: float) -> Limit:
        """With the bucket as full as that of its predecessor, if it can be that empty."""
        if self.starts is None or self.per is None:
            return self
        return replace(self, full_s=min(full_s, now + self.capacity * self.per / self.starts))


class Limits:
    """All limits, and the live attempts that they count."""

    def __init__(self) -> None:
        self._limits: dict[LimitScope, Limit] = {}
        self._live: dict[LimitScope, set[int]] = {}
        self._openings: list[tuple[float, LimitScope]] = []  # heap; an entry may be outdated

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._limits)

    # ------------------------------------------------------------- what holds

    def put(self, limit: Limit, now: float) -> Limit:
        """Let this limit hold from now on; an empty one lifts it. Returns what is to be saved."""
        known = self._limits.get(limit.scope)
        limit = limit.as_of(now, 0.0 if known is None else known.full_s)
        if limit.empty:
            self._limits.pop(limit.scope, None)
        else:
            self._limits[limit.scope] = limit
            self._expect_opening(limit, now)
        return limit

    def restore(self, limit: Limit, now: float) -> Limit:
        """Let a limit hold that was saved before. If the clock was set back, its bucket may have
        looked emptier than it can be: what is returned is to be saved, or it would do so again.
        """
        limit = limit.as_of(now, limit.full_s)
        self._limits[limit.scope] = limit
        self._expect_opening(limit, now)
        return limit

    def _expect_opening(self, limit: Limit, now: float) -> None:
        if limit.opens_s > now:
            heappush(self._openings, (limit.opens_s, limit.scope))

    def all(self) -> list[tuple[Limit, int]]:
        """Every limit with the number of live attempts that it counts."""
        return [
            (limit, len(self._live.get(scope, ()))) for scope, limit in sorted(self._limits.items())
        ]

    def weight(self, group: str | None) -> float:
        """The share of a group."""
        limit = None if group is None else self._limits.get(("group", group))
        return 1.0 if limit is None or limit.weight is None else limit.weight

    # ------------------------------------------------------------- attempts

    def attempt_lives(self, task: Task) -> None:
        """This task runs, from now on or as before."""
        for scope in _scopes(task.agent_type, task.limit_key):
            live = self._live.get(scope)
            if live is None:
                live = self._live[scope] = set()
            live.add(task.number)

    def attempt_ended(self, task: Task) -> list[LimitScope]:
        """If it ran, it does not any more. Returns where another may start in its place."""
        opened: list[LimitScope] = []
        for scope in _scopes(task.agent_type, task.limit_key):
            live = self._live.get(scope)
            if live is None or task.number not in live:
                continue
            live.discard(task.number)
            limit = self._limits.get(scope)
            if limit is not None and len(live) + 1 == limit.concurrency:
                opened.append(scope)
            if not live:
                del self._live[scope]
        return opened

    def spend(self, task: Task, now: float) -> list[Limit]:
        """A claim starts this task. Returns the limits whose buckets have a token less."""
        spent: list[Limit] = []
        for scope in _scopes(task.agent_type, task.limit_key) if self._limits else ():
            limit = self._limits.get(scope)
            if limit is not None and limit.starts is not None:
                limit = self._limits[scope] = limit.after_start(now)
                self._expect_opening(limit, now)
                spent.append(limit)
        return spent

    def live(self, scope: LimitScope) -> int:
        """How many attempts run."""
        return len(self._live.get(scope, ()))

    # ------------------------------------------------------------- may it start?

    def is_open(self, lane: str, limit_key: str | None, now: float) -> bool:
        """Whether a task of this lane and limit key may start."""
        return all(self._has_room(scope, now) for scope in _scopes(lane, limit_key))

    def _has_room(self, scope: LimitScope, now: float) -> bool:
        limit = self._limits.get(scope)
        if limit is None:
            return True
        if limit.concurrency is not None and self.live(scope) >= limit.concurrency:
            return False
        return limit.opens_s <= now

    def holding(self, lane: str, limit_key: str | None, now: float) -> Limit | None:
        """The limit that holds such a task back, if one does."""
        for scope in _scopes(lane, limit_key):
            if not self._has_room(scope, now):
                return self._limits[scope]
        return None

    # ------------------------------------------------------------- time

    def due(self) -> float:
        """When the next bucket may hold a token; inf if none is waited for."""
        return self._openings[0][0] if self._openings else inf

    def next_opening(self, now: float) -> float:
        """When the first bucket that is empty holds a token; inf if none is."""
        return min((o.opens_s for o in self._limits.values() if o.opens_s > now), default=inf)

    def take_opened(self, now: float) -> list[LimitScope]:
        """The scopes whose buckets hold a token by now."""
        opened: list[LimitScope] = []
        while self._openings and self._openings[0][0] <= now:
            _, scope = heappop(self._openings)
            limit = self._limits.get(scope)
            if limit is not None and limit.opens_s <= now:
                opened.append(scope)
        return opened


def _scopes(lane: str, limit_key: str | None) -> tuple[LimitScope, ...]:
    if limit_key is None:
        return (("agent_type", lane),)
    return (("agent_type", lane), ("limit_key", limit_key))
