"""Limits: how many attempts may run at once, how often one may start, and shares of groups.

A limit is a row of the file and holds for every worker, wherever its claims come from. What it
counts is the set of live attempts itself; nothing is counted up and down beside it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

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
