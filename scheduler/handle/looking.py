"""Looking at tasks and at the queue: now, later, and as it changes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from math import inf

from actors import commands as ask
from actors.observer import Callback, Listener
from actors.reply import Reply
from persistence.store import Filter
from scheduler import arguments as check
from scheduler.domain import ids
from scheduler.domain.errors import SchedulerClosed
from scheduler.domain.request import TEN_YEARS, number_of
from scheduler.domain.task import Task
from scheduler.domain.views import (
    Change,
    Explanation,
    Idle,
    Page,
    Plan,
    QueueStatus,
    TaskDetails,
)
from scheduler.handle.door import Asks, TaskOrId

# Inside the class, `list` is a method.
Tasks = list[Task]
Changes = list[Change]

FEED_STEP = 1_000  # changes read at a time


class Looking(Asks):
    """Answers questions."""

    async def get(self, task: TaskOrId) -> Task:
        """The task as it stands. Raises UnknownTask."""
        return await self._door.ask(ask.Get(number_of(task), Reply()))

    async def details(self, task: TaskOrId) -> TaskDetails:
        """The task with its prerequisites, dependents and past attempts. Raises UnknownTask."""
        return await self._door.ask(ask.GetDetails(number_of(task), Reply()))

    async def list(
        self,
        *,
        status: str | Iterable[str] | None = None,
        source: str | None = None,
        agent_type: str | None = None,
        group: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """A page of tasks, newest first.

            page = await scheduler.list(status=["ready", "running"], limit=100)
            while page.has_more:
                page = await scheduler.list(status="ready", cursor=page.cursor)

        `status` is one, several, or "pending" (blocked, scheduled and ready). `limit` is
        1..500. `cursor` is that of the page before, under the same filter.
        """
        check.whole("limit", limit, 1, 500)
        for field, value in (("source", source), ("agent_type", agent_type), ("group", group)):
            if value is not None:
                check.name(field, value)
        where = Filter(check.statuses(status), source, agent_type, group)
        below = None if cursor is None else ids.decode(cursor, "cursor")
        return await self._door.ask(ask.ListTasks(where, below, limit, Reply()))

    async def queue_status(self) -> QueueStatus:
        """The queue in numbers."""
        return await self._door.ask(ask.GetQueueStatus(Reply()))

    async def why_idle(self, agent_types: Sequence[str] | None = None) -> Idle:
        """Why a claim of these agent types (None: of any) finds nothing, and until when.

        if not claims:
            idle = await scheduler.why_idle(["builder"])
        """
        lanes = None if agent_types is None else check.names("agent_types", agent_types)
        return await self._door.ask(ask.WhyIdle(lanes, Reply()))

    async def execution_plan(
        self,
        tasks: Iterable[TaskOrId] | None = None,
        *,
        group: str | None = None,
        workers: int | None = None,
    ) -> Plan:
        """How unfinished tasks can run: the given ones, a group's, or all.

        With `workers` also the makespan that the scheduler's own order yields, if every worker
        can do tasks of every agent type. Finished tasks among the given ones are left out. Raises
        UnknownTask.
        """
        numbers = None if tasks is None else check.tasks("tasks", tasks)
        if group is not None:
            check.name("group", group)
            check.alone("group", tasks)
        if workers is not None:
            check.whole("workers", workers, 1, 1_000_000)
        return await self._door.ask(ask.MakePlan(numbers, group, workers, Reply()))

    async def explain(self, task: TaskOrId) -> Explanation:
        """Why a task is not running, and what its score is made of. Raises UnknownTask."""
        return await self._door.ask(ask.Explain(number_of(task), Reply()))

    async def wait(self, tasks: Iterable[TaskOrId], *, timeout: float | None = None) -> Tasks:  # noqa: ASYNC109 - also ends the wait in the actor
        """Wait until all the tasks have finished, or `timeout` seconds; the tasks as they are.

        Raises UnknownTask.
        """
        numbers = check.tasks("tasks", tasks)
        if timeout is not None:
            check.number("timeout", timeout, 0, TEN_YEARS)
        seconds = inf if timeout is None else timeout
        return await self._door.ask(ask.Wait(numbers, seconds, Reply()))

    def changes(self, since: int | None = None) -> ChangeFeed:
        """Every change after sequence `since` (None: from now on), until the scheduler closes.

            async for change in scheduler.changes(since=last_seen):
                ...

        A task that changed several times may be given once, in its latest state; each change
        comes after its commit. 0 begins with the oldest task on record. The loop raises
        SequenceTooOld when changes after `since` were pruned.
        """
        if since is not None:
            check.whole("since", since, 0, 2**63 - 1)
        return ChangeFeed(self, self._door.sequence if since is None else since)

    async def read_changes(
        self, since: int | None, *, limit: int = FEED_STEP, wait: float = 0.0
    ) -> tuple[Changes, int]:
        """One step of `changes`: up to `limit` of them, and the sequence to go on from.

        Waits up to `wait` seconds for the first one. An earlier answer without any tells, by its
        higher sequence, of a `pause` or `resume`: these count as changes, but are of no task.
        """
        if since is not None:
            check.whole("since", since, 0, 2**63 - 1)
        check.whole("limit", limit, 1, FEED_STEP)
        check.number("wait", wait, 0, inf)
        return await self._door.ask(ask.ReadChanges(since, limit, wait, Reply()))

    def on_event(self, callback: Callback) -> Listener:
        """Call `callback` with every Event from now on, after the commit that holds it.

            with scheduler.on_event(lambda event: print(event.kind)):
                ...

        Events come in order, and before the call that brought them about returns. The callback
        runs in the caller's loop, or in that of the actors if the caller has none. It cannot
        await: keep it short, and hand work on. If it raises, that is logged. Stop it with
        `stop()`, or with the end of the block. Raises InvalidRequest and, in a process that does
        not own the file, WrongContext: follow `changes` there.
        """
        return self._door.observe(check.callback(callback))


class ChangeFeed:
    """The changes of a scheduler, one by one; may be left at any point.

    An object rather than a generator, because Trio cannot clean up a generator that is left.
    """

    def __init__(self, looking: Looking, since: int | None) -> None:
        self._looking = looking
        self._since = since
        self._read: deque[Change] = deque()

    def __aiter__(self) -> ChangeFeed:
        return self

    async def __anext__(self) -> Change:
        while not self._read:
            try:
                changes, self._since = await self._looking.read_changes(self._since, wait=inf)
            except SchedulerClosed:
                raise StopAsyncIteration from None
            self._read.extend(changes)
        return self._read.popleft()
