"""Recurring work: what is made again and again, and when next."""

from __future__ import annotations

from typing import Literal

import msgspec

CatchUp = Literal["skip", "once", "all"]


class Schedule(msgspec.Struct, frozen=True):
    """A task that is made at every moment of an interval or a cron expression.

    `when`: "15m" or a cron expression in `timezone`. `catch_up`: what becomes of moments that
    passed while nothing ran. `request_json`: the proved request. Intervals count from `anchor_s`;
    `next_s` is the next moment (Unix seconds).
    """

    name: str
    when: str
    timezone: str
    catch_up: CatchUp
    request_json: str
    anchor_s: float
    next_s: float
