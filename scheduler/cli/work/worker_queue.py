"""What a worker needs of a queue, and how it gets it from a database file.

`worker_remote` does the same over HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Protocol

import msgspec

from scheduler import shapes
from scheduler.cli import location
from scheduler.cli.opening import FOR_WORK
from scheduler.domain.task import Status
from scheduler.domain.views import Idle
from scheduler.handle import Handle
from scheduler.sharing.connecting import connect
from scheduler.workers.holders import take_back


class Work(msgspec.Struct, frozen=True):
    """A claimed task: what the worker must know, and `document`, all that its command is told.

    The token opens the lease; it is in no document.
    """

    task_id: str
    token: str
    summary: str
    attempt: int
    agent_type: str
    group: str | None
    timeout: float | None
    document: dict[str, Any]


class Failed(msgspec.Struct, frozen=True):
    """What a failure did: the task's status, and when the next of how many attempts follows."""

    status: Status
    again_at: datetime | None
    attempts_left: int


class Queue(Protocol):
    """See the module. Errors are SchedulerErrors; a `retryable` one may pass by itself.

    heartbeat, complete, fail and release raise LeaseLost, AlreadyFinished or UnknownTask when
    the work is no longer ours, and may be repeated with the same work.
    """

    async def claim(self, limit: int, wait: float) -> list[Work] | Idle:
        """Up to `limit` tasks, as soon as there is one, or after `wait` seconds why not."""
        ...

    async def heartbeat(self, work: Work) -> None:
        """The lease starts anew."""
        ...

    async def complete(self, work: Work, result: Any) -> None:
        """It is done."""
        ...

    async def fail(self, work: Work, error: str, retryable: bool) -> Failed:
        """It has failed; the answer says whether for good."""
        ...

    async def release(self, work: Work) -> None:
        """Give it back undone."""
        ...


class Wanted(msgspec.Struct, frozen=True):
    """As whom a worker claims what, and for how many seconds unless it sends heartbeats."""

    holder: str
    agent_types: tuple[str, ...]
    lease: float


@asynccontextmanager
async def open_file(database: str, wanted: Wanted) -> AsyncIterator[FileQueue]:
    """The queue in a database file, made if it is not there, shared with other processes."""
    location.prepare(database)
    async with connect(database, closing_time=FOR_WORK) as scheduler:
        await take_back(scheduler)
        yield FileQueue(scheduler, wanted)


class FileQueue:
    """A Queue on a scheduler's handle."""

    def __init__(self, scheduler: Handle, wanted: Wanted) -> None:
        self._scheduler = scheduler
        self._wanted = wanted

    async def claim(self, limit: int, wait: float) -> list[Work] | Idle:
        wanted = self._wanted
        claims = await self._scheduler.claim(
            wanted.holder, wanted.agent_types, limit=limit, lease=wanted.lease, wait=wait
        )
        return [work_of(shapes.claim(claim)) for claim in claims] or await self._why_idle()

    async def _why_idle(self) -> Idle:
        return await self._scheduler.why_idle(self._wanted.agent_types)

    async def heartbeat(self, work: Work) -> None:
        await self._scheduler.heartbeat((work.task_id, work.token))

    async def complete(self, work: Work, result: Any) -> None:
        await self._scheduler.complete((work.task_id, work.token), result)

    async def fail(self, work: Work, error: str, retryable: bool) -> Failed:
        ended = await self._scheduler.fail((work.task_id, work.token), error, retryable=retryable)
        return failed_of(shapes.failed(ended))

    async def release(self, work: Work) -> None:
        await self._scheduler.release((work.task_id, work.token))


def failed_of(answer: dict[str, Any]) -> Failed:
    """A failure, given in the shape in which the tool `task_fail` answers."""
    again = answer["next_attempt_at"]
    return Failed(
        status=Status(answer["status"]),
        again_at=None if again is None else datetime.fromisoformat(again),
        attempts_left=answer["attempts_left"],
    )


def work_of(claim: dict[str, Any]) -> Work:
    """The work in a claim, given in the shape in which the tool `task_claim` answers."""
    document = {name: fact for name, fact in claim.items() if name != "lease_token"}
    task = claim["task"]
    return Work(
        task_id=claim["task_id"],
        token=claim["lease_token"],
        summary=task["summary"],
        attempt=task["attempt"],
        agent_type=task["agent_type"],
        group=task.get("group"),
        timeout=task.get("timeout"),
        document=document,
    )
