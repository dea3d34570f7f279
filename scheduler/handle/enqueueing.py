"""Making tasks: one, a whole graph, or again and again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from actors import commands as ask
from actors.reply import Reply
from scheduler import arguments as check
from scheduler.domain.recurrence import CatchUp
from scheduler.domain.request import Request, checked_all
from scheduler.domain.schedule_checks import checked_schedule
from scheduler.domain.spec import TaskFields, TaskSpec
from scheduler.domain.task import Task
from scheduler.domain.views import ScheduleStatus
from scheduler.handle.door import Asks
from scheduler.telemetry import spans

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing from Python 3.12 on


class Enqueueing(Asks):
    """Makes tasks."""

    async def enqueue(self, task: str | TaskSpec, **fields: Unpack[TaskFields]) -> Task:
        """Make one task from a description and its fields, or from a spec.

            task = await scheduler.enqueue("Build the wheel", base_priority=7)

        Returns the task; `existing` is true if its `key` had been used for the same request.
        Raises InvalidTask, TooLarge, UnknownPrerequisite, PrerequisiteFailed, KeyConflict,
        UnknownTask (the parent) and Overloaded.
        """
        return (await self._enqueue([check.one_spec(task, fields)]))[0]

    async def enqueue_many(self, specs: Iterable[TaskSpec]) -> list[Task]:
        """Make a whole graph, all or nothing; up to 10,000 tasks and 100,000 edges.

            build, test = await scheduler.enqueue_many(
                [build := TaskSpec("Build"), TaskSpec("Test", prerequisites=[build])]
            )

        Specs may name each other as prerequisites in any order. Returns the tasks in the
        order of the specs. Raises as `enqueue`, and DependencyCycle with the path.
        """
        return await self._enqueue(list(specs))

    async def _enqueue(self, specs: Sequence[TaskSpec], parent: int | None = None) -> list[Task]:
        """`parent` is that of the tasks whose specs name none."""
        requests = checked_all(specs, self._sources)
        if parent is not None:
            requests = [
                replace(request, parent=parent) if request.parent is None else request
                for request in requests
            ]
        if spans.tracing():
            return await spans.enqueue(requests, self._admit)
        return await self._door.ask(ask.Enqueue(requests, Reply()))

    async def _admit(self, requests: list[Request]) -> list[Task]:
        return await self._door.ask(ask.Enqueue(requests, Reply()))

    async def every(
        self,
        when: str,
        task: str | TaskSpec,
        *,
        name: str | None = None,
        catch_up: CatchUp = "skip",
        timezone: str = "UTC",
        deadline_after: float | None = None,
        **fields: Unpack[TaskFields],
    ) -> str:
        """Make such a task again and again; kept in the file. Returns the name.

            await scheduler.every("15m", "Sweep the cache", agent_type="janitor")
            await scheduler.every(
                "0 6 * * MON-FRI", "Build it all", name="nightly", timezone="Europe/Berlin"
            )

        `when` is an interval (1s to 366d; "1h30m"), counted from now, or a cron expression of five
        fields in `timezone`. A moment that is more than a minute past, because nothing ran or
        there was no room, was missed: `catch_up` "skip" drops it, "once" makes one task for all
        that were missed, "all" makes each. With `deadline_after` a task's deadline is so many
        seconds after it is made. Its `key` begins with the name, its `not_before` is the moment.

        Say it at each start: the same again changes nothing. Under a name that is known, what is
        new takes the place of the old, and another `when` or `timezone` counts from now. The
        default name is made of the summary and `when`. Raises InvalidRequest, also for a field
        that cannot recur: key, prerequisites, run_after, parent_id, deadline, not_before.
        """
        spec = check.one_spec(task, fields)
        schedule = checked_schedule(
            when, spec, name, catch_up, timezone, deadline_after, self._sources
        )
        await self._door.ask(ask.Every(schedule, Reply()))
        return schedule.name

    async def schedules(self) -> list[ScheduleStatus]:
        """All work that recurs, by name, and when it comes next."""
        return await self._door.ask(ask.GetSchedules(Reply()))

    async def stop_schedule(self, name: str) -> None:
        """Make no more tasks of this schedule; those that are made stay.

        Raises InvalidRequest, with the nearest name, if there is none.
        """
        check.name("name", name)
        await self._door.ask(ask.StopSchedule(name, Reply()))
