"""When recurring work comes round: intervals and cron expressions, proved and counted out.

Cron expressions mean what they mean to Debian's cron; `cronsim` parses them and finds their
moments. What the change to and from summer time does to them stands in docs/recurring.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from itertools import count
from math import floor
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from scheduler.domain.encoding import name, text
from scheduler.domain.errors import InvalidRequest
from scheduler.domain.task import moment

SHORTEST, LONGEST = 1.0, 366 * 86_400.0  # seconds of an interval
WHEN_BYTES = 100

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_INTERVAL = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_LOOSE = re.compile(r"(\d+)\s*([dhms])")  # somebody's own way to write one
_ALLOWED = "an interval such as 90s, 15m, 1h30m or 2d, or a cron expression such as 0 9 * * MON-FRI"
_CRON = "minute 0-59, hour 0-23, day of month 1-31 or L, month 1-12, day of week 0-7 or SUN-SAT"
_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_REFERENCE = datetime(2000, 1, 1, tzinfo=UTC)  # only to look whether an expression has moments


def seconds_of(when: str) -> float | None:
    """The length of an interval; None if it is written as none.

    >>> seconds_of("1h30m"), seconds_of("0 9 * * *")
    (5400.0, None)
    """
    match = _INTERVAL.fullmatch(when)
    if match is None or not when:
        return None
    parts = zip(match.groups(), _UNITS.values(), strict=True)
    return sum(int(part) * unit for part, unit in parts if part is not None)


def moments_after(when: str, timezone: str, anchor_s: float, after: float) -> Iterator[float]:
    """The moments after `after`, rising (Unix seconds); an interval counts from `anchor_s`.

    Raises InvalidRequest for a `when` or a time zone that is none.
    """
    seconds = seconds_of(when)
    if seconds is None:
        return _cron_moments(when, zone_of(timezone), after)
    return _beats(anchor_s, seconds, after)


def _beats(anchor_s: float, seconds: float, after: float) -> Iterator[float]:
    """Multiples of the interval, so that no error adds up and no restart shifts them."""
    for beat in count(max(1, floor((after - anchor_s) / seconds))):
        at = anchor_s + beat * seconds
        if at > after:
            yield at


def _cron_moments(when: str, zone: tzinfo, after: float) -> Iterator[float]:
    """Moments rise: the first pass of an hour that the clock goes through twice is not gone back
    to from the second.
    """
    for local in _parsed(when, moment(floor(after)).astimezone(zone)):
        at = local.timestamp()
        if at > after:
            yield at
            after = at


def _parsed(when: str, start: datetime) -> CronSim:
    try:
        return CronSim(when, start)
    except CronSimError as error:
        raise _no_cron(when, str(error)) from None


# ------------------------------------------------------------------- checks


def checked_when(when: object) -> str:
    """An interval or a cron expression, with single spaces."""
    text("when", when, WHEN_BYTES)
    assert isinstance(when, str)
    when = " ".join(when.split())
    seconds = seconds_of(when)
    if seconds is None:
        _check_cron(when)
    elif not SHORTEST <= seconds <= LONGEST:
        raise InvalidRequest(
            "the interval is too short or too long",
            field="when",
            received=when,
            allowed="1s to 366d",
            hint="What comes once has a not_before; what never rests is a worker that loops.",
        )
    return when


def _check_cron(when: str) -> None:
    fields = when.split()
    if len(fields) == 5:
        if next(_parsed(when, _REFERENCE), None) is None:
            raise _no_cron(when, "no day ever matches")
        return
    if len(fields) == 6:
        raise _no_cron(when, "six fields", f"Leave the seconds out: {' '.join(fields[1:])!r}.")
    loose = "".join(amount + unit for amount, unit in _LOOSE.findall(when.lower()))
    near = _NICKNAMES.get(when.lower()) or loose or (when + "s" if when.isdecimal() else "")
    raise InvalidRequest(
        "when is neither an interval nor a cron expression of five fields",
        field="when",
        received=when,
        allowed=_ALLOWED,
        hint=f"Did you mean {near!r}?" if near else "Write 15m for every 15 minutes.",
    )


def _no_cron(when: str, why: str, hint: str | None = None) -> InvalidRequest:
    if hint is None and "?" in when:
        hint = f"Write * for ?: {when.replace('?', '*')!r}."
    return InvalidRequest(
        f"this is no cron expression: {why[:1].lower()}{why[1:]}",
        field="when",
        received=when,
        allowed=_CRON,
        hint=hint or "Five fields, each *, a number, a range a-b, a list a,b or a step */n.",
    )


def zone_of(timezone: str) -> tzinfo:
    """The time zone of an IANA name, with the nearest one in the error if there is none."""
    name("timezone", timezone)
    if timezone == "UTC":
        return UTC
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder
        raise _no_zone(timezone) from None


def _no_zone(timezone: str) -> InvalidRequest:
    known = {zone.lower(): zone for zone in available_timezones()}
    near = get_close_matches(timezone.lower(), known, 1, 0.6)
    hint = f"Did you mean {known[near[0]]!r}?" if near else "Leave it out for UTC."
    return InvalidRequest(
        "the time zone is unknown",
        field="timezone",
        received=ascii(timezone)[:80],
        allowed="an IANA name such as Europe/Berlin, or UTC",
        hint=hint if known else "This machine has no time zones: install the package tzdata.",
    )
