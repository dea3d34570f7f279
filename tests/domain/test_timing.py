"""Intervals and cron expressions: which moments they mean, and which are none."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice, pairwise
from math import inf, nextafter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.domain.errors import InvalidRequest
from scheduler.domain.timing import checked_when, moments_after, seconds_of, zone_of

ANCHOR = 1_800_000_000.0
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo", "Australia/Adelaide"]
CRONS = [
    "* * * * *",
    "*/7 * * * *",
    "30 * * * *",
    "*/20 2 * * *",
    "30 1,2 * * *",
    "0 0 * * *",
    "15 3 * * SUN",
    "0 12 13 * 5",
    "59 23 L * *",
    "0 0 29 2 *",
]


def local(when: str, zone: str, start: datetime, count: int) -> list[str]:
    """The first moments after a local time, in UTC."""
    after = start.replace(tzinfo=ZoneInfo(zone)).timestamp()
    moments = islice(moments_after(when, zone, 0.0, after), count)
    return [datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M") for at in moments]


# ------------------------------------------------------------------- intervals


@pytest.mark.parametrize(
    ("when", "seconds"),
    [("90s", 90), ("15m", 900), ("1h30m", 5_400), ("2d", 172_800), ("1d2h3m4s", 93_784)],
)
def test_an_interval(when: str, seconds: float) -> None:
    """Days, hours, minutes and seconds, in this order."""
    assert seconds_of(when) == seconds
    assert checked_when(f" {when} ") == when


@given(st.integers(1, 366 * 86_400), st.floats(0, 4e9), st.integers(0, 10**6), st.integers(1, 50))
def test_an_interval_keeps_its_phase(
    seconds: int, anchor: float, beats: int, restarts: int
) -> None:
    """However often the count begins anew at the last moment, no beat is lost or shifted."""
    at = anchor + beats * float(seconds)
    for beat in range(beats + 1, beats + 1 + restarts):
        at = next(moments_after(f"{seconds}s", "UTC", anchor, at))
        assert at == anchor + beat * float(seconds)


@given(st.integers(1, 10**5), st.floats(0, 1e7))
def test_the_next_beat_is_the_first_one_after(seconds: int, later: float) -> None:
    """None lies between."""
    after = ANCHOR + later
    at = next(moments_after(f"{seconds}s", "UTC", ANCHOR, after))
    assert after < at
    assert at - seconds <= after or at == ANCHOR + seconds


@given(st.integers(1, 10**5), st.floats(0, 4e9), st.integers(1, 10**6))
def test_a_moment_comes_after_all_that_is_before_it(seconds: int, anchor: float, beat: int) -> None:
    """Also after the number next to it."""
    at = anchor + beat * float(seconds)
    assert next(moments_after(f"{seconds}s", "UTC", anchor, nextafter(at, -inf))) == at


# ------------------------------------------------------------------- cron


@given(
    st.sampled_from(CRONS),
    st.sampled_from(ZONES),
    st.floats(ANCHOR, ANCHOR + 3e7),
    st.integers(2, 30),
)
@settings(deadline=None)
def test_cron_moments_rise_and_do_not_depend_on_where_the_count_begins(
    when: str, zone: str, after: float, count: int
) -> None:
    """From each moment the next one follows, as in one go, over all changes of the clock."""
    moments = list(islice(moments_after(when, zone, 0.0, after), count))
    assert after < moments[0]
    for before, following in pairwise(moments):
        assert before < following
        assert next(moments_after(when, zone, 0.0, before)) == following
        assert next(moments_after(when, zone, 0.0, (before + following) / 2)) == following


def test_a_fixed_time_in_the_gap_comes_at_its_end() -> None:
    """On 2027-03-28 Berlin's clocks go from 02:00 to 03:00, which is 01:00 in UTC."""
    start = datetime(2027, 3, 27, 12)
    assert local("30 2 * * *", "Europe/Berlin", start, 2) == ["03-28 01:00", "03-29 00:30"]
    assert local("0,30 2 * * *", "Europe/Berlin", start, 2) == ["03-28 01:00", "03-29 00:00"]


def test_a_fixed_time_that_is_passed_twice_comes_once() -> None:
    """On 2027-10-31 they go from 03:00 back to 02:00; also if the count begins in between."""
    expected = ["10-31 00:30", "11-01 01:30"]
    assert local("30 2 * * *", "Europe/Berlin", datetime(2027, 10, 30, 12), 2) == expected
    second_pass = datetime(2027, 10, 31, 2, 20, fold=1)
    assert local("30 2 * * *", "Europe/Berlin", second_pass, 1) == ["11-01 01:30"]


def test_with_a_star_moments_follow_the_clock() -> None:
    """What the gap skips does not come; what is passed twice comes twice."""
    spring, autumn = datetime(2027, 3, 27, 12), datetime(2027, 10, 31, 0)
    assert local("*/30 2 * * *", "Europe/Berlin", spring, 1) == ["03-29 00:00"]
    twice = ["10-31 00:00", "10-31 00:30", "10-31 01:00", "10-31 01:30"]
    assert local("*/30 2 * * *", "Europe/Berlin", autumn, 4) == twice


# ------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("when", "hint"),
    [
        ("", "some text"),
        ("15 minutes", "'15m'"),
        ("1h 30m", "'1h30m'"),
        ("900", "'900s'"),
        ("@daily", "'0 0 * * *'"),
        ("now", "15m"),
        ("0s", "not_before"),
        ("367d", "not_before"),
        ("0 0 9 * * *", "'0 9 * * *'"),
        ("60 * * * *", "Five fields"),
        ("* * * * MONDAY", "Five fields"),
        ("0 9 ? * MON", "'0 9 * * MON'"),
        ("0 0 30 2 *", "Five fields"),
        ("*" * 101, "Shorten"),
    ],
)
def test_what_is_neither_an_interval_nor_cron(when: str, hint: str) -> None:
    """Is refused with the field, what is allowed and the nearest that would do."""
    with pytest.raises(InvalidRequest) as caught:
        checked_when(when)
    error = caught.value
    assert error.field == "when"
    assert error.allowed
    assert hint in (error.hint or "")


@given(st.text(st.sampled_from("0159*/-,#LWMONFRI dhms@?"), max_size=30) | st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_text_is_refused_or_has_moments(when: str) -> None:
    """Nothing else is raised, and what is accepted comes round."""
    try:
        accepted = checked_when(when)
    except InvalidRequest:
        return
    assert next(moments_after(accepted, "UTC", 0.0, 0.0)) > 0


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Berlim", "'Europe/Berlin'"),
        ("europe/berlin", "'Europe/Berlin'"),
        ("Europe", ""),
        ("../passwd", "UTC"),
        ("x" * 300, "short"),
        ("a\0b", ""),
        ("", ""),
    ],
)
def test_an_unknown_time_zone(zone: str, hint: str) -> None:
    """Is refused with the nearest one."""
    with pytest.raises(InvalidRequest) as caught:
        zone_of(zone)
    assert caught.value.field == "timezone"
    assert hint in (caught.value.hint or "")
