"""The object a client holds: one short method a command.

A method checks its arguments, sends one command to ingest and awaits the reply. It holds no
task and changes none; any number of Trio tasks may use one handle at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec.structs import replace

from actors import commands as ask
from actors.observer import Callback, Carry, Listener
from actors.reply import Reply
from actors.system import Asking
from persistence.store import Filter
from scheduler import arguments as check
from scheduler.domain import ids
from scheduler.domain.errors import SchedulerClosed
from scheduler.domain.limits import Limit
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.request import TEN_YEARS, Request, checked_all, number_of
from scheduler.domain.spec import TaskFields, TaskSpec
from scheduler.domain.task import Task, moment
from scheduler.domain.views import (
    Cancellation,
    Change,
    Claim,
    Ended,
    Explanation,
    Idle,
    LimitStatus,
    Page,
    Plan,
    QueueStatus,
    TaskDetails,
)
from scheduler.telemetry import spans

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing from Python 3.12 on

TaskOrId = Task | str
ClaimOrToken = Claim | tuple[str, str]

# Inside the class, `list` is a method.
Tasks = list[Task]
Claims = list[Claim]
Changes = list[Change]
Limits = list[LimitStatus]
Revocations = list[tuple[str, str]]
Requests = list[Request]

FEED_STEP = 1_000  # changes read at a time

T = TypeVar("T")


class Door(Protocol):
    """What a handle speaks to: the actors of this process, or the way to those of another."""

    async def ask(self, command: Asking[T]) -> T:
        """Send a command and wait for its answer."""
        ...

    @property
    def sequence(self) -> int | None:
        """The number of the newest change; None where only the actors know it."""
        ...

    @property
    def failure(self) -> BaseException | None:
        """What ended the actors, if they did not close."""
        ...

    @property
    def trio_door(self) -> Door:
        """The door as Trio tasks of the actors' thread use it."""
        ...

    def observe(self, callback: Callback, carry: Carry | None = None) -> Listener:
        """Tell `callback` every event, in the caller's loop or where `carry` takes calls."""
        ...

    async def run_in_trio(self, function: Callable[[], Awaitable[T]]) -> T:
        """Await a Trio coroutine function in the actors' loop; cancellation and errors cross."""
        ...

    async def give_back(self, claims: Claims) -> None:
        """Release claims of which nobody will hear, whatever becomes of this caller."""
        ...


class Handle:
    """The commands of a running scheduler, each a coroutine of the world of its door.

    Where a task is wanted, pass a Task or an id; where a claim is wanted, a Claim or a pair
    (task id, lease token). Durations are seconds. Any method may raise SchedulerClosed,
    StoreUnavailable (with its `outcome`) and, for arguments out of range, InvalidRequest.
    """

    def __init__(self, door: Door, sources: Mapping[str, float] = SOURCE_SCORES) -> None:
        self._door = door
        self._sources = sources

    async def enqueue(self, task: str | TaskSpec, **fields: Unpack[TaskFields]) -> Task:
        """Make one task from a description and its fields, or from a spec.

            task = await scheduler.enqueue("Build the wheel", base_priority=7)

        Returns the task; `existing` is true if its `key` had been used for the same request.
        Raises InvalidTask, TooLarge, UnknownPrerequisite, PrerequisiteFailed, KeyConflict,
        UnknownTask (the parent) and Overloaded.
        """
        return (await self._enqueue([check.one_spec(task, fields)]))[0]

    async def enqueue_many(self, specs: Iterable[TaskSpec]) -> Tasks:
        """Make a whole graph, all or nothing; up to 10,000 tasks and 100,000 edges.

            build, test = await scheduler.enqueue_many(
                [build := TaskSpec("Build"), TaskSpec("Test", prerequisites=[build])]
            )

        Specs may name each other as prerequisites in any order. Returns the tasks in the
        order of the specs. Raises as `enqueue`, and DependencyCycle with the path.
        """
        return await self._enqueue(list(specs))

    async def _enqueue(self, specs: Sequence[TaskSpec], parent: int | None = None) -> Tasks:
        """`parent` is that of the tasks whose specs name none."""
        requests = checked_all(specs, self._sources)
        if parent is not None:
            requests = [
                replace(request, parent=parent) if request.parent is None else request
                for request in requests
            ]
        if spans.tracing():
            return await spans.enqueue(requests, self._admit)
        return await self._admit(requests)

    async def _admit(self, requests: Requests) -> Tasks:
        return await self._door.ask(ask.Enqueue(requests, Reply()))

    async def claim(
        self,
        holder: str,
        agent_types: Sequence[str] | None = None,
        *,
        limit: int = 1,
        lease: float = 300.0,
        wait: float = 0.0,
    ) -> Claims:
        """Lease the best ready tasks to `holder`, of these agent types (None: of any).

            for claim in await scheduler.claim("worker-1", ["builder"], limit=8, wait=30):
                await scheduler.complete(claim, result={"ok": True})

        Up to `limit` (1..1,000) tasks, at once if one is ready, else as soon as one becomes
        ready within `wait` seconds; an empty list after that. `lease` is 1..86,400 seconds.
        A claim whose caller is cancelled goes back to the queue at once.
        """
        check.name("holder", holder)
        lanes = None if agent_types is None else check.names("agent_types", agent_types)
        check.whole("limit", limit, 1, 1_000)
        check.number("lease", lease, 1, 86_400)
        check.number("wait", wait, 0, 86_400)
        return await self._door.ask(ask.ClaimReady(holder, lanes, limit, lease, wait, Reply()))

    async def heartbeat(
        self,
        claim: ClaimOrToken,
        *,
        progress: float | None = None,
        note: str | None = None,
        lease: float | None = None,
    ) -> datetime:
        """Say that the work goes on: the lease starts anew. Returns its new end.

        `progress` is 0..1, `note` up to 2,000 bytes, `lease` (1..86,400 s) changes its length.
        Raises LeaseLost when the task is no longer yours, AlreadyFinished when it has been
        completed or has failed: stop working on it.
        """
        number, token = check.claim(claim)
        if progress is not None:
            check.number("progress", progress, 0, 1)
        if note is not None:
            check.text("note", note, 2_000)
        if lease is not None:
            check.number("lease", lease, 1, 86_400)
        return moment(
            await self._door.ask(ask.Heartbeat(number, token, lease, progress, note, Reply()))
        )

    async def complete(self, claim: ClaimOrToken, result: Any = None) -> Ended:
        """The work is done. `result` is JSON up to 256 KiB, handed to the dependents' claims.

        When this returns, the tasks that only waited for this one can be claimed. Repeated
        with the same token, it answers again, with the task alone. Raises LeaseLost,
        AlreadyFinished.
        """
        return check.sole(await self._complete(((claim, result),)))

    async def complete_many(self, completions: Iterable[tuple[ClaimOrToken, Any]]) -> ask.Outcomes:
        """Complete many claims in one commit: pairs of claim and result.

        Returns one outcome each, in order: an Ended, or the error (not raised) that `complete`
        would have raised.
        """
        return await self._complete(check.pairs("completions", completions))

    async def _complete(self, completions: tuple[tuple[ClaimOrToken, Any], ...]) -> ask.Outcomes:
        finishes = tuple(check.completion(claim, result) for claim, result in completions)
        return await self._door.ask(ask.Complete(finishes, Reply()))

    async def fail(
        self,
        claim: ClaimOrToken,
        error: str,
        *,
        retryable: bool = True,
        retry_after: float | None = None,
    ) -> Ended:
        """The attempt has failed; `error` (up to 64 KiB) tells the story.

        If it is retryable and attempts are left, the task is SCHEDULED for another after
        `retry_after` seconds (None: an exponential back-off); otherwise it is FAILED and its
        dependents fall with it (`fallen`).
        """
        check.text("error", error, 64 * 1024)
        if retry_after is not None:
            check.number("retry_after", retry_after, 0, TEN_YEARS)
        number, token = check.claim(claim)
        finish = ask.Finish("fail", number, token, error=error)
        command = ask.Fail(finish, bool(retryable), retry_after, Reply())
        return check.sole(await self._door.ask(command))

    async def release(self, claim: ClaimOrToken) -> Ended:
        """Give the task back undone: it keeps its place in the queue and loses no attempt."""
        number, token = check.claim(claim)
        finish = ask.Finish("release", number, token)
        return check.sole(await self._door.ask(ask.Release(finish, Reply())))

    async def release_holders(self, prefix: str) -> Tasks:
        """Give back every claim of a holder whose name begins with `prefix`.

        For a supervisor that knows these workers to be dead and will not wait for their leases
        to expire. Like a release it costs no attempt. Returns the tasks that were given back.
        """
        check.name("prefix", prefix)
        return await self._door.ask(ask.ReleaseHolders(prefix, Reply()))

    async def revoked(self, holder: str, *, wait: float = 0.0) -> Revocations:
        """The claims that were taken from `holder` since it asked last: (task id, token) each.

        A claim is taken by a `cancel`, the end of its lease, or `release_holders`. Answers at
        once if there is one, else as soon as there is within `wait` seconds. They are kept
        from a holder's first question on, until it has not asked for a minute; what is missed
        is heard at the next heartbeat.
        """
        check.name("holder", holder)
        check.number("wait", wait, 0, 86_400)
        pairs = await self._door.ask(ask.AwaitRevoked(holder, wait, Reply()))
        return [(ids.encode(number), token) for number, token in pairs]

    async def cancel(
        self, task: TaskOrId, reason: str | None = None, *, dry_run: bool = False
    ) -> Cancellation:
        """Cancel a task and every task that cannot start without it; a lease is revoked.

        With `dry_run` only say which would go. Raises UnknownTask, AlreadyFinished.
        """
        if reason is not None:
            check.text("reason", reason, 2_000)
        return await self._door.ask(ask.Cancel(number_of(task), reason, bool(dry_run), Reply()))

    async def retry(self, task: TaskOrId, *, cascade: bool = False) -> Tasks:
        """Re-open a failed or cancelled task with fresh attempts.

        With `cascade` also the tasks that fell with it. Returns what was re-opened, the task
        itself first. Raises UnknownTask, IllegalTransition, PrerequisiteFailed.
        """
        return await self._door.ask(ask.Retry(number_of(task), bool(cascade), Reply()))

    async def update(self, /, task: TaskOrId, **fields: Any) -> Task:
        """Change fields of an unfinished task: description, summary, agent_type, base_priority,
        deadline, not_before, estimated_duration, payload, group, max_attempts, timeout, limit_key.

            await scheduler.update(task, base_priority=9, deadline=None)

        A running task keeps its agent_type, limit_key and not_before. Raises UnknownTask,
        AlreadyFinished, IllegalTransition.
        """
        return (await self._door.ask(ask.Update(number_of(task), check.changes(fields), Reply())))[
            0
        ]

    async def add_prerequisites(
        self,
        task: TaskOrId,
        prerequisites: Sequence[TaskOrId] = (),
        *,
        run_after: Sequence[TaskOrId] = (),
    ) -> Task:
        """Let a task that is not running yet wait for more tasks.

        Raises UnknownTask, UnknownPrerequisite, PrerequisiteFailed, DependencyCycle (with the
        path), AlreadyFinished and, for a running task, IllegalTransition.
        """
        requires = check.tasks("prerequisites", prerequisites)
        follows = check.tasks("run_after", run_after)
        command = ask.AddPrerequisites(number_of(task), requires, follows, Reply())
        return (await self._door.ask(command))[0]

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

    async def pause(self, agent_type: str) -> None:
        """Hand out no more tasks of this type; running ones go on. Survives a restart."""
        check.name("agent_type", agent_type)
        await self._door.ask(ask.SetPaused(agent_type, True, Reply()))

    async def resume(self, agent_type: str) -> None:
        """Hand out tasks of this type again."""
        check.name("agent_type", agent_type)
        await self._door.ask(ask.SetPaused(agent_type, False, Reply()))

    async def drain(self, agent_type: str) -> None:
        """Hand out no more tasks of one agent_type, and wait until none of it runs any more.

        It stays paused, over restarts too, until `resume`; raises InvalidRequest if that comes
        first.
        """
        check.name("agent_type", agent_type)
        await self._door.ask(ask.Drain(agent_type, Reply()))

    async def set_limit(
        self,
        *,
        agent_type: str | None = None,
        limit_key: str | None = None,
        concurrency: int | None = None,
        starts: int | None = None,
        per: float | None = None,
        burst: int | None = None,
    ) -> None:
        """Limit the tasks of one agent_type, or those with one limit_key; kept in the file.

            await scheduler.set_limit(agent_type="builder", concurrency=4)
            await scheduler.set_limit(limit_key="some-api", starts=60, per=60.0, burst=5)

        `concurrency`: attempts that may run at once. `starts` in `per` seconds: a token bucket
        that holds `burst` (default: `starts`). It holds for every claim from now on, whoever
        makes it; what runs goes on. A new limit takes the place of the old one, and one without
        any number lifts it.
        """
        await self._door.ask(
            ask.SetLimit(
                check.limit(agent_type, limit_key, concurrency, starts, per, burst), Reply()
            )
        )

    async def set_share(self, group: str, weight: float | None) -> None:
        """How large a share of the starts a group gets while others have tasks ready, too.

        `weight` is 0.001..1,000; None is as good as 1, which all groups have by themselves.
        """
        check.name("group", group)
        if weight is not None:
            check.number("weight", weight, 0.001, 1_000)
        await self._door.ask(ask.SetLimit(Limit("group", group, weight=weight), Reply()))

    async def limits(self) -> Limits:
        """Every limit and share that is set, and how it stands."""
        return await self._door.ask(ask.GetLimits(Reply()))

    async def flush(self) -> None:
        """Return when everything before this call is saved."""
        await self._door.ask(ask.Flush(Reply()))


class ChangeFeed:
    """The changes of a scheduler, one by one; may be left at any point.

    An object rather than a generator, because Trio cannot clean up a generator that is left.
    """

    def __init__(self, handle: Handle, since: int | None) -> None:
        self._handle = handle
        self._since = since
        self._read: deque[Change] = deque()

    def __aiter__(self) -> ChangeFeed:
        return self

    async def __anext__(self) -> Change:
        while not self._read:
            try:
                changes, self._since = await self._handle.read_changes(self._since, wait=inf)
            except SchedulerClosed:
                raise StopAsyncIteration from None
            self._read.extend(changes)
        return self._read.popleft()
