"""What is due: nothing twice, nothing left out that was not to be left out."""

from __future__ import annotations

from itertools import takewhile
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scheduler.domain import recurrence
from scheduler.domain.errors import InvalidRequest
from scheduler.domain.recurrence import GRACE, CatchUp, Schedule
from scheduler.domain.schedule_checks import checked_schedule
from scheduler.domain.spec import TaskSpec
from scheduler.domain.task import Status

NOW = 1_800_000_000.0
HOUR = 3_600.0


def begun(when: str, catch_up: CatchUp = "skip", zone: str = "UTC") -> Schedule:
    asked = checked_schedule(when, TaskSpec("sweep"), "s", catch_up, zone, None)
    return recurrence.begin(asked, None, NOW)


def looked(
    schedule: Schedule, looks: list[float], most: int
) -> tuple[list[tuple[float, float]], float]:
    """(moment, when its task was made) of looks at rising times, and the time of the last."""
    made: list[tuple[float, float]] = []
    now = NOW
    for pause in looks:
        now += pause
        while schedule.next_s <= now:
            moments, after = recurrence.due(schedule, now, most)
            assert after > schedule.next_s
            schedule = replace(schedule, next_s=after)
            made += [(at, now) for at in moments]
    return made, now


whens = st.sampled_from(
    ["1s", "45s", "1m", "90s", "15m", "* * * * *", "*/7 1-3 * * *", "0 9 * * 1"]
)
pauses = st.lists(st.floats(0, 500) | st.floats(0, 5_000), max_size=12)
catch_ups: st.SearchStrategy[CatchUp] = st.sampled_from(["skip", "once", "all"])


@given(whens, pauses, st.integers(1, 200))
@settings(deadline=None)
def test_all_makes_each_moment_once(when: str, looks: list[float], most: int) -> None:
    """However late and in however many turns it is looked."""
    schedule = begun(when, "all", "Europe/Berlin")
    made, now = looked(schedule, looks, most)
    expected = takewhile(lambda at: at <= now, schedule.moments_after(NOW))
    assert [at for at, _ in made] == list(expected)


@given(whens, pauses, st.integers(1, 200), catch_ups)
@settings(deadline=None)
def test_no_moment_comes_twice_or_early(
    when: str, looks: list[float], most: int, catch_up: CatchUp
) -> None:
    """Under any policy; and what is made is a moment of the schedule."""
    schedule = begun(when, catch_up)
    made, now = looked(schedule, looks, most)
    moments = [at for at, _ in made]
    assert all(at <= then for at, then in made)
    assert moments == sorted(set(moments))
    assert set(moments) <= set(takewhile(lambda at: at <= now, schedule.moments_after(NOW)))


@given(whens, pauses)
@settings(deadline=None)
def test_skip_makes_exactly_what_is_in_time(when: str, looks: list[float]) -> None:
    """No moment that was missed, and each that was not."""
    schedule = begun(when)
    made, now = looked(schedule, looks, 1_000)
    times = [NOW]
    for pause in looks:
        times.append(times[-1] + pause)
    expected = []
    for at in takewhile(lambda at: at <= now, schedule.moments_after(NOW)):
        then = next(time for time in times if time >= at)
        if at >= then - GRACE:
            expected.append((at, then))
    assert made == expected


def test_once_makes_one_for_all_that_were_missed() -> None:
    """Dated the first of them; what is in time comes besides."""
    schedule = begun("1h", "once")
    made, _ = looked(schedule, [5 * HOUR + 61], 100)
    assert [at - NOW for at, _ in made] == [HOUR]
    made, _ = looked(schedule, [5 * HOUR + 60], 100)
    assert [at - NOW for at, _ in made] == [HOUR, 5 * HOUR]


@pytest.mark.parametrize(
    ("late", "made"), [(0, [1]), (60, [1]), (61, []), (HOUR + 60, [2]), (2 * HOUR + 61, [])]
)
def test_skip_has_a_minute_of_grace(late: float, made: list[int]) -> None:
    """More than 60 s past is missed."""
    moments, after = recurrence.due(begun("1h"), NOW + HOUR + late, 100)
    assert moments == [NOW + beat * HOUR for beat in made]
    assert after == NOW + HOUR * (2 + late // HOUR)


# ------------------------------------------------------------------- set up again


def test_the_same_again_changes_nothing() -> None:
    """Neither the pace nor what was made."""
    schedule = replace(begun("15m"), last_task=7)
    again = replace(schedule, anchor_s=0.0, next_s=0.0, last_task=None)
    assert recurrence.begin(again, schedule, NOW + 1_000) == schedule


def test_other_content_keeps_the_pace() -> None:
    """What is made is new, when it is made is not."""
    schedule = begun("15m")
    asked = checked_schedule("15m", TaskSpec("other"), "s", "all", "UTC", 9)
    new = recurrence.begin(asked, schedule, NOW + 1_000)
    assert (new.anchor_s, new.next_s) == (schedule.anchor_s, schedule.next_s)
    assert (new.request.description, new.catch_up, new.deadline_after) == ("other", "all", 9.0)


@pytest.mark.parametrize("other", [{"when": "10m"}, {"timezone": "Europe/Berlin"}])
def test_other_moments_begin_now(other: dict[str, Any]) -> None:
    """And the newest task is remembered."""
    schedule = replace(begun("15m"), last_task=7)
    new = recurrence.begin(replace(schedule, **other), schedule, NOW + 1_000)
    assert new.next_s == next(new.moments_after(NOW + 1_000))
    assert (new.anchor_s, new.last_task) == (NOW + 1_000, 7)


def test_a_schedule_that_had_come_to_an_end_begins_anew() -> None:
    """Its time zone may be known again."""
    ended = replace(begun("15m"), next_s=inf)
    assert recurrence.begin(ended, ended, NOW + 1_000).next_s == NOW + 1_900


# ------------------------------------------------------------------- the task, and refusals


def test_the_task_says_where_it_comes_from() -> None:
    """By its key; its moment is its `not_before`, and the deadline counts from now."""
    spec = TaskSpec("sweep", group="mine", payload=[1], agent_type="janitor")
    asked = checked_schedule("15m", spec, "nightly", "all", "UTC", 600)
    task = recurrence.make(recurrence.begin(asked, None, NOW), NOW + 900, 7, NOW + 1_000)
    assert task.key == f"nightly@{task.id}"
    assert (task.status, task.not_before_s, task.deadline_s) == (
        Status.READY,
        NOW + 900,
        NOW + 1_600,
    )
    assert (task.group, task.payload, task.agent_type) == ("mine", [1], "janitor")


@pytest.mark.parametrize(
    ("fields", "more"),
    [
        ({"key": "k"}, {}),
        ({"prerequisites": ["0b5cy1s000rmd"]}, {}),
        ({"prerequisites": [TaskSpec("first")]}, {}),
        ({"run_after": ["0b5cy1s000rmd"]}, {}),
        ({"parent_id": "0b5cy1s000rmd"}, {}),
        ({"deadline": 1}, {}),
        ({"not_before": 1}, {}),
        ({}, {"catch_up": "some"}),
        ({}, {"catch_up": []}),
        ({}, {"deadline_after": -1}),
        ({}, {"when": 900}),
        ({}, {"timezone": None}),
        ({}, {"given_name": "a\nb"}),
    ],
)
def test_what_cannot_recur(fields: dict[str, Any], more: dict[str, Any]) -> None:
    """Is refused with the field, what is allowed, and the way to mend it."""
    given: dict[str, Any] = {
        "when": "15m",
        "given_name": None,
        "catch_up": "skip",
        "timezone": "UTC",
        "deadline_after": None,
    }
    with pytest.raises(InvalidRequest) as caught:
        checked_schedule(spec=TaskSpec("x", **fields), **given | more)
    error = caught.value
    assert error.field == "name" if "given_name" in more else error.field in fields | more
    assert error.allowed
    assert error.hint


def test_a_default_name_is_made_of_summary_and_when() -> None:
    """Printable, whatever the summary holds; one that would be too long is asked for."""
    asked = checked_schedule(" 15m", TaskSpec("a\x1bb"), None, "skip", "UTC", None)
    assert asked.name == "a b (15m)"
    with pytest.raises(InvalidRequest) as caught:
        checked_schedule(
            ",".join(map(str, range(30))) + " * * * *",
            TaskSpec("x" * 140),
            None,
            "skip",
            "UTC",
            None,
        )
    assert (caught.value.field, caught.value.hint) == ("name", "Pass name=.")
