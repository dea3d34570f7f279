"""serve for threads: other processes use the database too, while a block is open."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial

from scheduler.bridging.thread_door import ThreadDoor
from scheduler.domain.errors import WrongContext
from scheduler.handle import Handle
from scheduler.sharing import serving
from scheduler.threads.blocking_scheduler import BlockingScheduler


@contextmanager
def serve(scheduler: BlockingScheduler) -> Iterator[None]:
    """Let other processes use the database of this scheduler, while the block is open.

        with open_scheduler("tasks.db") as scheduler, serve(scheduler):
            ...

    They can connect as soon as the block begins: with `connect`, the command line, or as agents
    over MCP. Raises as the one for Trio; what ends the service meanwhile is raised at the end of
    the block.
    """
    given: object = scheduler
    door = given._handle._door if isinstance(given, BlockingScheduler) else None
    if not isinstance(door, ThreadDoor):
        raise WrongContext(
            "this is no blocking handle",
            field="scheduler",
            hint="Use `serve` of the module that opened it: scheduler, or scheduler.asyncio.",
        )
    listening: Future[bool] = Future()
    inner = Handle(door.trio_door, scheduler._handle._sources)
    running = door.begin(partial(_serve, inner, listening))
    try:
        if not listening.result():
            running.result()  # raises why not
        yield
    finally:
        running.end()


async def _serve(scheduler: Handle, listening: Future[bool]) -> None:
    try:
        await serving.serve(scheduler, task_status=_Status(listening))
    finally:
        if not listening.done():
            listening.set_result(False)


class _Status:
    """Hears in Trio that the server has started."""

    def __init__(self, listening: Future[bool]) -> None:
        self._listening = listening

    def started(self, value: None = None) -> None:
        self._listening.set_result(True)
