"""Works off the jobs of one workflow: a fixed number of workers that claim, perform and finish.

The order is the scheduler's. Leases are extended while jobs run, and given back when the run is
cancelled. What happens is told to `notify` after the scheduler has acknowledged it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Literal

import msgspec
import trio

from scheduler.cli.run.jobs import Job, perform
from scheduler.domain.errors import AlreadyFinished, LeaseLost, SchedulerError
from scheduler.domain.task import Status, Task
from scheduler.domain.views import Claim, Ended
from scheduler.handle import Handle
from scheduler.workers.holders import holder_name
from scheduler.workers.processes.outcomes import Outcome

LEASE_SECONDS = 60.0
IDLE_SECONDS = 3_600.0  # how long one claim waits
TAKEN_AWAY = (LeaseLost, AlreadyFinished)

Kind = Literal["started", "completed", "failed", "retrying", "released", "lost"]


class Event(msgspec.Struct, frozen=True):
    """Something that happened to a job. `seconds` it ran; `fallen`: ids cancelled with it."""

    kind: Kind
    job: Job
    task: Task
    seconds: float = 0.0
    fallen: tuple[str, ...] = ()


class _Held(msgspec.Struct):
    """A claim in work, and the scope that stops the work when the lease is lost."""

    claim: Claim
    scope: trio.CancelScope


class Runner:
    """Runs `jobs` (by task id), whose tasks are in `lanes`, with `workers` at a time."""

    def __init__(
        self,
        scheduler: Handle,
        jobs: Mapping[str, Job],
        lanes: Sequence[str],
        *,
        workers: int,
        notify: Callable[[Event], None],
    ) -> None:
        self._scheduler = scheduler
        self._jobs = jobs
        self._lanes = lanes
        self._workers = workers
        self._notify = notify
        self._held: dict[str, _Held] = {}  # by token

    async def run(self) -> list[Task]:
        """Return the tasks as they stand when all have ended."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_leases)
                for number in range(self._workers):
                    nursery.start_soon(self._work, holder_name("run", number))
                tasks = await self._scheduler.wait(self._jobs)
                nursery.cancel_scope.cancel()
        finally:
            for held in list(self._held.values()):
                await self._give_back(held.claim)
        return tasks

    async def _work(self, holder: str) -> None:
        while True:
            for claim in await self._scheduler.claim(
                holder, self._lanes, lease=LEASE_SECONDS, wait=IDLE_SECONDS
            ):
                job = self._jobs.get(claim.task.id)
                if job is not None:
                    await self._do(job, claim)
                else:  # Others put it into our lane. Held to the end, it does not come up again.
                    self._held[claim.token] = _Held(claim, trio.CancelScope())

    async def _do(self, job: Job, claim: Claim) -> None:
        started = trio.current_time()
        outcome: Outcome | None = None
        scope = trio.CancelScope()
        self._held[claim.token] = _Held(claim, scope)
        try:
            self._notify(Event("started", job, claim.task))
            with scope:
                outcome = await perform(job, claim.task)
        finally:
            self._held.pop(claim.token, None)
            seconds = trio.current_time() - started
            if outcome is None and not scope.cancelled_caught:
                await self._give_back(claim)
                self._notify(Event("released", job, claim.task, seconds))
        if outcome is None:
            self._notify(Event("lost", job, claim.task, seconds))
        else:
            await self._finish(job, claim, outcome, seconds)

    async def _finish(self, job: Job, claim: Claim, outcome: Outcome, seconds: float) -> None:
        try:
            with trio.CancelScope(shield=True):  # work that is done is recorded, come what may
                ended = await self._record(claim, outcome)
        except TAKEN_AWAY:
            self._notify(Event("lost", job, claim.task, seconds))
            return
        kind: Kind = "retrying"
        if ended.task.status is Status.COMPLETED:
            kind = "completed"
        elif ended.task.status is Status.FAILED:
            kind = "failed"
        self._notify(Event(kind, job, ended.task, seconds, ended.fallen))

    async def _record(self, claim: Claim, outcome: Outcome) -> Ended:
        if outcome.error is None:
            return await self._scheduler.complete(claim, outcome.result)
        return await self._scheduler.fail(claim, outcome.error, retryable=outcome.retryable)

    async def _give_back(self, claim: Claim) -> None:
        with trio.CancelScope(shield=True), suppress(SchedulerError):
            await self._scheduler.release(claim)

    async def _keep_leases(self) -> None:
        while True:
            await trio.sleep(LEASE_SECONDS / 3)
            for held in list(self._held.values()):
                if held.claim.token in self._held:  # else it has ended in the meantime
                    await self._extend(held)

    async def _extend(self, held: _Held) -> None:
        try:
            await self._scheduler.heartbeat(held.claim)
        except TAKEN_AWAY:
            held.scope.cancel()
            self._held.pop(held.claim.token, None)
