"""Recurring work: what is made again and again, when next, and what is due now."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from math import inf, nextafter
from typing import Literal

import msgspec
from msgspec.structs import replace

from scheduler.domain.admission import make_task
from scheduler.domain.ids import encode
from scheduler.domain.request import Request
from scheduler.domain.task import Task, optional_moment
from scheduler.domain.timing import checked_when, moments_after
from scheduler.domain.views import ScheduleStatus

CatchUp = Literal["skip", "once", "all"]

GRACE = 60.0  # seconds: a moment that is further past has been missed


class Schedule(msgspec.Struct, frozen=True):
    """A task that is made at every moment of an interval or a cron expression.

    `when`: "15m" or a cron expression in `timezone`. `catch_up`: what becomes of moments that
    were missed. `deadline_after`: seconds from the making of a task to its deadline. Intervals
    count from `anchor_s`; `next_s` is the next moment (Unix seconds), inf if there is none.
    `last_task` is the number of the newest task that was made.
    """

    name: str
    when: str
    timezone: str
    catch_up: CatchUp
    deadline_after: float | None
    request: Request
    anchor_s: float = 0.0
    next_s: float = 0.0
    last_task: int | None = None

    def moments_after(self, after: float) -> Iterator[float]:
        """Its moments after `after`, rising (Unix seconds)."""
        return moments_after(self.when, self.timezone, self.anchor_s, after)


def begin(asked: Schedule, known: Schedule | None, now: float) -> Schedule:
    """The schedule as it goes on: at its old pace, or from `now` if its moments are others.

    Raises InvalidRequest for moments that cannot be told.
    """
    if known is not None and known.next_s < inf and _pace(known) == _pace(asked):
        return replace(
            asked, anchor_s=known.anchor_s, next_s=known.next_s, last_task=known.last_task
        )
    last = None if known is None else known.last_task
    begun = replace(asked, when=checked_when(asked.when), anchor_s=now, last_task=last)
    return replace(begun, next_s=next(begun.moments_after(now), inf))


def _pace(schedule: Schedule) -> tuple[str, str]:
    return schedule.when, schedule.timezone


def due(schedule: Schedule, now: float, most: int) -> tuple[list[float], float]:
    """The moments to make a task for now, up to `most` (at least 1), and the moment after them.

    A moment is missed when it is more than GRACE past: "skip" drops it, "once" makes one task
    for all that were missed, dated the first of them.
    """
    first = schedule.next_s
    made: list[float] = []
    if schedule.catch_up == "all" or first >= now - GRACE:
        coming: Iterator[float] = chain([first], schedule.moments_after(first))
    else:
        if schedule.catch_up == "once":
            made.append(first)
        coming = schedule.moments_after(nextafter(now - GRACE, -inf))
    for at in coming:
        if at > now or len(made) >= most:
            return made, at
        made.append(at)
    return made, inf


def make(schedule: Schedule, at: float, number: int, now: float) -> Task:
    """The task for the moment `at`.

    Its key says where it comes from: the schedule's name and, so that it never meets another
    key, the task's own id. Its `not_before` is the moment.
    """
    after = schedule.deadline_after
    request = replace(
        schedule.request,
        key=f"{schedule.name}@{encode(number)}",
        not_before_s=at,
        deadline_s=None if after is None else now + after,
    )
    return make_task(request, number, (), None, now)


def status(schedule: Schedule) -> ScheduleStatus:
    """The schedule as people read it."""
    request, last = schedule.request, schedule.last_task
    return ScheduleStatus(
        schedule.name,
        schedule.when,
        schedule.timezone,
        schedule.catch_up,
        schedule.deadline_after,
        request.summary,
        request.agent_type,
        request.group,
        optional_moment(None if schedule.next_s == inf else schedule.next_s),
        None if last is None else encode(last),
    )
