"""What a handler is given: its claim, and what it may do on behalf of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from threading import Event
from typing import TYPE_CHECKING, Any

from msgspec import field

from scheduler.arguments import one_spec
from scheduler.bridging.blocking import BlockingHandle, finish
from scheduler.domain.spec import TaskFields, TaskSpec
from scheduler.domain.task import Task
from scheduler.domain.views import Claim
from scheduler.handle import Handle

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing from Python 3.12 on


class Cancelled(BaseException):
    """Raised by `BlockingJob.check`: the work is to stop. What was done so far is not recorded.

    No Exception, so that a handler that catches those does not swallow it.
    """


class Job(Claim, frozen=True, eq=False, kw_only=True):
    """A claimed task in the hands of a handler that is a coroutine function.

    `task`, `results` (of its prerequisites, by id) and `token` as in every Claim. `scheduler` is
    a handle for the world in which the handler runs, Trio or asyncio.
    """

    scheduler: Handle

    @property
    def payload(self) -> Any:
        """The payload of the task."""
        return self.task.payload

    async def report(self, progress: float | None = None, note: str | None = None) -> datetime:
        """Tell how far the work is: `progress` 0..1, `note` up to 2,000 bytes.

        Returns the new end of the lease. Raises LeaseLost when the task is no longer ours.
        """
        return await self.scheduler.heartbeat(self, progress=progress, note=note)

    async def enqueue(self, task: str | TaskSpec, **fields: Unpack[TaskFields]) -> Task:
        """Make one task, as `Scheduler.enqueue` does: a child of this task (`parent_id`)."""
        specs = [one_spec(task, fields)]
        return (await self.scheduler._enqueue(specs, self.task.number))[0]

    async def enqueue_many(self, specs: Iterable[TaskSpec]) -> list[Task]:
        """Make a whole graph, as `Scheduler.enqueue_many` does, of children of this task."""
        return await self.scheduler._enqueue([*specs], self.task.number)


class BlockingJob(Claim, frozen=True, eq=False, kw_only=True):
    """A claimed task in the hands of a plain function, which runs in a thread.

    As Job, without `await`. A thread cannot be stopped from outside: a function that takes long
    looks at `cancelled`, or calls `check()`, every now and then.
    """

    scheduler: BlockingHandle
    stopped: Event = field(default_factory=Event)

    @property
    def payload(self) -> Any:
        """The payload of the task."""
        return self.task.payload

    @property
    def cancelled(self) -> bool:
        """Whether the work is to stop: cancelled, past its timeout, lease lost, pool closing."""
        return self.stopped.is_set()

    def check(self) -> None:
        """Raise Cancelled if the work is to stop. 0.1 us."""
        if self.stopped.is_set():
            raise Cancelled("the work is to stop")

    def sleep(self, seconds: float) -> None:
        """Sleep, but no longer than until the work is to stop; raises Cancelled then."""
        self.stopped.wait(seconds)
        self.check()

    def report(self, progress: float | None = None, note: str | None = None) -> datetime:
        """Tell how far the work is: `progress` 0..1, `note` up to 2,000 bytes.

        Returns the new end of the lease. Raises LeaseLost when the task is no longer ours.
        """
        return self.scheduler.heartbeat(self, progress=progress, note=note)

    def enqueue(self, task: str | TaskSpec, **fields: Unpack[TaskFields]) -> Task:
        """Make one task, as `Scheduler.enqueue` does: a child of this task (`parent_id`)."""
        specs = [one_spec(task, fields)]
        return finish(self.scheduler._handle._enqueue(specs, self.task.number))[0]

    def enqueue_many(self, specs: Iterable[TaskSpec]) -> list[Task]:
        """Make a whole graph, as `Scheduler.enqueue_many` does, of children of this task."""
        return finish(self.scheduler._handle._enqueue([*specs], self.task.number))
