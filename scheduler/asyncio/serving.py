"""serve for asyncio programs: other processes use the database too."""

from __future__ import annotations

import asyncio
from functools import partial

from scheduler.bridging.asyncio_door import AsyncioDoor
from scheduler.domain.errors import WrongContext
from scheduler.handle import Handle
from scheduler.sharing import serving


async def serve(scheduler: Handle, *, started: asyncio.Event | None = None) -> None:
    """Let other processes use the database of this scheduler, until cancelled.

        async with open_scheduler("tasks.db") as scheduler, asyncio.TaskGroup() as group:
            server = group.create_task(serve(scheduler))
            ...
            server.cancel()

    `started` is set when they can connect. They reach it with `connect`, the command line, or as
    agents over MCP. Raises as the one for Trio.
    """
    door = scheduler._door
    if not isinstance(door, AsyncioDoor):
        raise WrongContext(
            "this handle is not for asyncio tasks",
            field="scheduler",
            hint="Use `serve` of the module that opened it: scheduler, or scheduler.threads.",
        )
    inner = Handle(door.trio_door, scheduler._sources)
    status = _Status(started, asyncio.get_running_loop())
    await door.run_in_trio(partial(serving.serve, inner, task_status=status))


class _Status:
    """Hears in Trio that the server has started."""

    def __init__(self, event: asyncio.Event | None, loop: asyncio.AbstractEventLoop) -> None:
        self._event = event
        self._loop = loop

    def started(self, value: None = None) -> None:
        if self._event is not None:
            self._loop.call_soon_threadsafe(self._event.set)
