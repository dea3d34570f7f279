"""Recurring work whatever the order of delivery, and wherever it is killed."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import commands as c
from actors import recurring
from actors.messages import To
from actors.reply import Reply
from scheduler.domain.recurrence import CatchUp, Schedule
from scheduler.domain.schedule_checks import checked_schedule
from scheduler.domain.spec import TaskSpec
from scheduler.domain.task import Task

from .mailroom import START, Mailroom

STEP = 30.0


def every(
    room: Mailroom, catch_up: CatchUp = "all", when: str = "30s", name: str = "s", what: str = "x"
) -> Reply[Any]:
    schedule = checked_schedule(when, TaskSpec(what), name, catch_up, "UTC", None)
    reply: Reply[Any] = room.send(c.Every(schedule, Reply()))
    return reply


def killed(room: Mailroom, **options: Any) -> Mailroom:
    """What comes after a crash: only what was committed is there."""
    room.store.rollback()
    return Mailroom(1, store=room.store, now=room.now, **options)


def on_record(room: Mailroom) -> tuple[list[Task], dict[str, Schedule]]:
    loaded = room.store.load()
    return loaded.tasks, {schedule.name: schedule for schedule in loaded.schedules}


def moments(room: Mailroom) -> list[float]:
    """Those of the tasks on record, in seconds since the start."""
    return sorted((task.not_before_s or 0.0) - START for task in on_record(room)[0])


# ------------------------------------------------------------------- killed in each window


@pytest.mark.parametrize("slow_disk", [False, True])
def test_a_crash_between_any_two_messages(slow_disk: bool) -> None:
    """Wherever a firing is cut off, its moment has one task after the restart."""
    for cut in range(12):
        room = Mailroom(slow_disk=slow_disk)
        every(room)
        room.settle()
        room.now += STEP
        _deliver_one_by_one(room, cut)
        room = killed(room)
        room.settle()
        room.now += STEP
        room.settle()
        assert moments(room) == [STEP, 2 * STEP], cut
        room.check()


def _deliver_one_by_one(room: Mailroom, count: int) -> None:
    room.deliver(To.INGEST)
    for _ in range(count):
        waiting = [to for to in To if room.boxes[to]]
        room.deliver(waiting[0] if waiting else To.PERSISTER)


@pytest.mark.parametrize("before_commit", [True, False])
def test_a_commit_holds_the_task_and_the_next_moment(before_commit: bool) -> None:
    """Both or neither, on record."""
    room = Mailroom(slow_disk=True)
    every(room)
    room.settle()
    room.now += STEP
    for to in (To.INGEST, To.RESOLVER, To.PRIORITIZER, To.PERSISTER):
        room.deliver(to)
    if not before_commit:
        room.deliver(To.WRITER)
    tasks, schedules = on_record(room)
    schedule = schedules["s"]
    made = 0 if before_commit else 1
    assert [task.number for task in tasks] == [schedule.last_task][:made]
    assert schedule.next_s == START + STEP * (1 + made)


# ------------------------------------------------------------------- any order, any crash

names = st.sampled_from(["a", "b"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.sampled_from(list(To)), st.integers(1, 3)),
        st.tuples(st.just("deliver"), st.sampled_from(list(To)), st.integers(1, 3)),
        st.tuples(st.just("wait"), st.none(), st.integers(1, 300)),
        st.tuples(st.just("change"), names, st.integers(0, 3)),
        st.tuples(st.just("kill"), st.none(), st.just(0)),
    ),
    min_size=10,
    max_size=60,
)


@given(steps, st.booleans(), st.sampled_from([2, 6, 1_000]))
@settings(max_examples=200, deadline=None)
def test_all_leaves_nothing_out_and_makes_nothing_twice(
    script: list[tuple[str, Any, int]], slow_disk: bool, room_for: int
) -> None:
    """Whatever the order of delivery, in a full queue, over crashes and changes of the content."""
    room = Mailroom(slow_disk=slow_disk, max_unfinished=room_for)
    for name in ("a", "b"):
        every(room, name=name)
    room.settle()
    for kind, what, number in script:
        match kind:
            case "deliver":
                room.deliver(what, number)
            case "wait":
                room.now += number
            case "change":
                every(room, name=what, what=f"version {number}")
            case _:
                room = killed(room, slow_disk=slow_disk, max_unfinished=room_for)
    room = killed(room, slow_disk=slow_disk)  # with room for all
    room.settle()
    room.check()
    expected = takewhile(lambda at: at <= room.now, (START + STEP * n for n in range(1, 10_000)))
    assert moments(room) == sorted([at - START for at in expected] * 2)


# ------------------------------------------------------------------- pressure


def test_a_schedule_waits_for_its_last_tasks_to_be_saved() -> None:
    """With the disk at a standstill, one firing is under way and no more."""
    room = Mailroom(slow_disk=True)
    every(room)
    room.settle()
    for _ in range(20):
        room.now += STEP
        for to in (To.INGEST, To.RESOLVER, To.PRIORITIZER, To.PERSISTER):
            room.deliver(to, 100)
    assert len(room.persister.records.tasks) == 1
    room.settle()
    assert moments(room) == [STEP * n for n in range(1, 21)]


def test_catching_up_goes_in_steps() -> None:
    """So many tasks in one message, then others have their turn."""
    room = Mailroom()
    every(room, when="1s")
    room.settle()
    room.now += 250
    sizes = []
    while room.ingest.due() <= room.now:
        room.deliver(To.INGEST)
        sizes += [len(admit.tasks) for admit in room.boxes[To.RESOLVER]]
        for to in (To.RESOLVER, To.PRIORITIZER, To.PERSISTER, To.WRITER, To.PERSISTER):
            room.deliver(to, 100)
        room.ingest.handle(room.boxes[To.INGEST].popleft(), room.now)  # it is saved
    assert sizes == [recurring.MOST, recurring.MOST, 50]
    assert len(moments(room)) == 250


def test_a_schedule_changed_while_its_firing_is_refused_goes_back_on_record() -> None:
    """The moment that found no room is not lost with a crash either."""
    room = Mailroom(max_unfinished=0)
    every(room)
    room.settle()
    room.now += STEP
    room.deliver(To.INGEST)  # it fires
    every(room, what="other")
    room.settle()
    _, schedules = on_record(room)
    assert schedules["s"].next_s == START + STEP
    assert schedules["s"].request.description == "other"
    room = killed(room)
    room.settle()
    assert moments(room) == [STEP]


def test_stopped_while_its_firing_is_under_way() -> None:
    """The task stays, the schedule does not come back."""
    room = Mailroom(slow_disk=True)
    every(room)
    room.settle()
    room.now += STEP
    room.deliver(To.INGEST)
    stopped = room.send(c.StopSchedule("s", Reply()))
    room.settle()
    assert stopped.answered
    tasks, schedules = on_record(room)
    assert (len(tasks), schedules) == (1, {})
    room.now += 10 * STEP
    room.settle()
    assert len(moments(room)) == 1


def test_what_is_set_up_anew_while_a_firing_is_under_way_fires_in_its_time() -> None:
    """It does not wait for what is saved of its predecessor."""
    room = Mailroom(slow_disk=True)
    every(room)
    room.settle()
    room.now += STEP
    room.deliver(To.INGEST)
    room.send(c.StopSchedule("s", Reply()))
    every(room)
    room.settle()
    room.now += STEP
    room.settle()
    assert moments(room) == [STEP, 2 * STEP]


def test_an_older_state_on_record_lets_no_second_firing_go() -> None:
    """Only the state that the firing left, or a later one."""
    room = Mailroom(slow_disk=True)
    every(room)
    room.settle()
    every(room, what="other")
    for to in (To.INGEST, To.RESOLVER, To.PRIORITIZER, To.PERSISTER):
        room.deliver(to)
    room.now += STEP
    room.deliver(To.INGEST)  # it fires
    room.deliver(To.WRITER)
    room.deliver(To.PERSISTER)  # what it was before is saved
    room.now += STEP
    room.deliver(To.INGEST)
    assert len(room.boxes[To.RESOLVER]) == 1
    room.settle()
    assert moments(room) == [STEP, 2 * STEP]
