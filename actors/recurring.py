"""What ingest holds of recurring work: the schedules, and which of them wait for the record.

A firing makes the tasks that are due and moves the schedule on, in one message and so in one
commit: whatever crashes, a moment has both or neither. A schedule does not fire again before
that commit, so that nothing piles up while the store is down.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from math import inf

from msgspec.structs import replace

from actors import commands as c
from actors import messages as m
from actors.messages import Post, To
from scheduler.domain import recurrence
from scheduler.domain.errors import InvalidRequest
from scheduler.domain.ids import IdMaker
from scheduler.domain.recurrence import Schedule
from scheduler.domain.schedule_checks import SCHEDULES, too_many_schedules, unknown_schedule

log = logging.getLogger("headrace.ingest")

MOST = 100  # tasks of one firing
NO_ROOM = 5.0  # seconds until a firing that found no room is tried again
LOOK_EVERY = 30.0  # seconds: while a computer sleeps, timers stand still


class Recurring:
    """See the module."""

    def __init__(self, ids: IdMaker) -> None:
        self._ids = ids
        self._schedules: dict[str, Schedule] = {}
        self._unsaved: dict[str, Schedule] = {}  # as firings left them
        self._refused: dict[str, float] = {}  # when to try again
        self._due = inf
        self._looked = 0.0

    def load(self, schedules: Iterable[Schedule]) -> None:
        """Go on with what is on record."""
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._plan()

    # ------------------------------------------------------------- time

    def due(self) -> float:
        """When `fire` must be called; inf without schedules."""
        return min(self._due, self._looked + LOOK_EVERY) if self._schedules else inf

    def fire(self, now: float) -> list[Post]:
        """Make the tasks that are due."""
        self._looked = now
        if self._due > now:
            return []
        ripe = [each for each in self._schedules.values() if self._fires_at(each) <= now]
        posts = [post for schedule in ripe for post in self._fire(schedule, now)]
        self._plan()
        return posts

    def _fires_at(self, schedule: Schedule) -> float:
        if schedule.name in self._unsaved:
            return inf
        return max(schedule.next_s, self._refused.get(schedule.name, 0.0))

    def _plan(self) -> None:
        self._due = min(map(self._fires_at, self._schedules.values()), default=inf)

    def _fire(self, before: Schedule, now: float) -> list[Post]:
        name = before.name
        try:
            moments, after = recurrence.due(before, now, 1 if name in self._refused else MOST)
        except InvalidRequest as error:  # its time zone is not on this machine
            log.warning("schedule %r makes no tasks: %s", name, error)
            self._schedules[name] = replace(before, next_s=inf)
            return []
        moved = self._schedules[name] = replace(before, next_s=after)
        tasks = [recurrence.make(before, at, self._ids.next(now), now) for at in moments]
        if not tasks:  # what was missed is dropped again after a crash
            return []
        fired = replace(moved, last_task=tasks[-1].number)
        self._schedules[name] = self._unsaved[name] = fired
        return [(To.RESOLVER, m.Admit(tasks, [], firing=m.Firing(before, fired)))]

    # ------------------------------------------------------------- what became of a firing

    def saved(self, schedules: m.Schedules) -> None:
        """These are on record: they may fire again. Ids rise, so a later state has a later task."""
        for name, on_record in schedules.items():
            fired = self._unsaved.get(name)
            if fired is not None and on_record is not None and _reaches(on_record, fired):
                del self._unsaved[name]
                self._refused.pop(name, None)
        self._plan()

    def refused(self, firing: m.Firing, now: float) -> list[Post]:
        """There is no room for the tasks: go back to where they were due."""
        before, after = firing.before, firing.after
        current = self._schedules.get(after.name)
        if current is None or current.last_task != after.last_task:
            return []  # it has been stopped since
        goes_on = current.anchor_s == before.anchor_s
        back = replace(
            current,
            next_s=before.next_s if goes_on else current.next_s,
            last_task=before.last_task,
        )
        self._schedules[after.name] = back
        self._unsaved.pop(after.name, None)
        self._refused[after.name] = now + NO_ROOM
        self._plan()
        if current == after:
            return []
        return [(To.RESOLVER, m.SetSchedules({back.name: back}))]  # it was changed meanwhile

    # ------------------------------------------------------------- commands

    def every(self, command: c.Every, now: float) -> list[Post]:
        """Begin a schedule, or go on with it as it is described now."""
        name = command.schedule.name
        known = self._schedules.get(name)
        if known is None and len(self._schedules) >= SCHEDULES:
            command.reply.refuse(too_many_schedules())
            return []
        try:
            begun = recurrence.begin(command.schedule, known, now)
        except InvalidRequest as error:  # proved where it was called, on other zones perhaps
            command.reply.refuse(error)
            return []
        changed = {} if begun == known else {name: begun}
        self._schedules |= changed
        self._plan()
        return _answered(m.Value(command.reply, None), changed)

    def stop(self, command: c.StopSchedule) -> list[Post]:
        """Forget a schedule; tasks that it has made stay."""
        name = command.name
        if name not in self._schedules:
            command.reply.refuse(unknown_schedule(name, self._schedules))
            return []
        del self._schedules[name]
        self._unsaved.pop(name, None)
        self._refused.pop(name, None)
        self._plan()
        return _answered(m.Value(command.reply, None), {name: None})

    def tell(self, command: c.GetSchedules) -> list[Post]:
        """All schedules, by name, told when what came before is saved."""
        statuses = [recurrence.status(each) for _, each in sorted(self._schedules.items())]
        return _answered(m.Value(command.reply, statuses), {})


def _answered(answer: m.Value, changed: m.Schedules) -> list[Post]:
    return [(To.RESOLVER, m.SetSchedules(changed, [answer]))]


def _reaches(on_record: Schedule, fired: Schedule) -> bool:
    return (on_record.last_task or 0) >= (fired.last_task or 0)
