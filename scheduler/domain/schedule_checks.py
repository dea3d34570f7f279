"""From what a caller asks of recurring work to a proved schedule, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import get_args

from scheduler.domain.encoding import NAME_LENGTH, name, number_in
from scheduler.domain.errors import InvalidRequest, TooLarge
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.recurrence import CatchUp, Schedule
from scheduler.domain.request import TEN_YEARS, checked
from scheduler.domain.spec import TaskSpec
from scheduler.domain.timing import checked_when, zone_of

SCHEDULES = 1_000  # in one file

_ONCE_ONLY = {
    "key": "a key names one task, and each time a new one is made",
    "prerequisites": "what it waits for would have ended before the second time",
    "run_after": "what it waits for would have ended before the second time",
    "parent_id": "a parent ends, and is forgotten, while this goes on",
    "deadline": "a moment is past after the first time",
    "not_before": "a moment is past after the first time",
}
_INSTEAD = {
    "key": "Leave it out; name= names what recurs.",
    "deadline": "Use deadline_after: seconds from the moment a task is made.",
    "not_before": "Leave it out; `when` says when a task is made.",
}


def checked_schedule(
    when: str,
    spec: TaskSpec,
    given_name: str | None,
    catch_up: CatchUp,
    timezone: str,
    deadline_after: float | None,
    sources: Mapping[str, float] = SOURCE_SCORES,
) -> Schedule:
    """What is to recur, proved; when it begins, `recurrence.begin` says."""
    when = checked_when(when)
    zone_of(timezone)
    if catch_up not in get_args(CatchUp):
        raise InvalidRequest(
            "catch_up is unknown",
            field="catch_up",
            received=ascii(catch_up)[:80],
            allowed=", ".join(get_args(CatchUp)),
            hint="skip drops what was missed, once makes one task for it, all makes every one.",
        )
    if deadline_after is not None:
        number_in("deadline_after", deadline_after, 0, TEN_YEARS)
        deadline_after = float(deadline_after)
    _check_once_only(spec)
    request = checked(spec, sources=sources)
    given_name = _default_name(when, request.summary) if given_name is None else given_name
    name("name", given_name)
    return Schedule(given_name, when, timezone, catch_up, deadline_after, request)


def _check_once_only(spec: TaskSpec) -> None:
    for field, reason in _ONCE_ONLY.items():
        if getattr(spec, field) not in (None, (), []):
            raise InvalidRequest(
                f"a recurring task has no {field}: {reason}",
                field=field,
                allowed="nothing",
                hint=_INSTEAD.get(field, "Leave it out; its worker can enqueue what is linked."),
            )


def _default_name(when: str, summary: str) -> str:
    given = "".join(sign if sign.isprintable() else " " for sign in f"{summary} ({when})")
    if len(given) > NAME_LENGTH:
        raise InvalidRequest(
            "the summary and the cron expression are too long to make a name of",
            field="name",
            allowed=f"a name of up to {NAME_LENGTH} characters",
            hint="Pass name=.",
        )
    return given


def unknown_schedule(asked: str, known: Iterable[str]) -> InvalidRequest:
    """No schedule has this name."""
    near = get_close_matches(asked, known, 1, 0.5)
    return InvalidRequest(
        "no schedule has this name",
        field="name",
        received=asked[:80],
        allowed="the name of a schedule",
        hint=f"Did you mean {near[0]!r}?" if near else "Look it up with schedules.",
    )


def too_many_schedules() -> TooLarge:
    """Another schedule would be one too many."""
    return TooLarge(
        f"there are {SCHEDULES:,} schedules",
        field="name",
        allowed=f"up to {SCHEDULES:,} schedules in one file",
        hint="Stop those that are no longer wanted, and give them the same names at each start.",
    )
