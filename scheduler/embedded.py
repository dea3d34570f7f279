"""The object that a Trio program holds: the commands, and the workers that run in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from scheduler.domain.priority import SOURCE_SCORES
from scheduler.handle import Door, Handle

if TYPE_CHECKING:
    import asyncio

    from scheduler.workers.command import Command
    from scheduler.workers.handlers import Kind, World
    from scheduler.workers.registry import Workers
    from scheduler.workers.steering import RetryPolicy

F = TypeVar("F", bound=Callable[..., Any])


class Scheduler(Handle):
    """A running scheduler, made by `open_scheduler` or `connect`.

    Its methods are for Trio tasks or, if those of scheduler.asyncio made it, for tasks of the
    asyncio loop `loop`. What `Handle` says of arguments and errors holds here too. `world` is
    where coroutine functions belong that handle tasks.
    """

    def __init__(
        self,
        door: Door,
        sources: Mapping[str, float] = SOURCE_SCORES,
        world: World = "trio",
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(door, sources)
        self._world: World = world
        self._loop = loop
        self._lazy_workers: Workers | None = None

    @property
    def _workers(self) -> Workers:
        """Made when it is first used: a program without workers does not import them."""
        if self._lazy_workers is None:
            from scheduler.workers.registry import Workers

            self._lazy_workers = Workers(self._door, self._sources, self._world, self._loop)
        return self._lazy_workers

    def handler(
        self,
        agent_type: str,
        *,
        run: Command | None = None,
        kind: Kind | None = None,
        concurrency: int = 1,
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        grace: float = 10.0,
        own_thread: bool = False,
    ) -> Callable[[F], F]:
        """Register what does the tasks of an agent type; a decorator, except with `run`.

            @scheduler.handler("builder", concurrency=4, timeout=600)
            async def build(job: Job) -> dict[str, object]:
                return {"wheel": await make_wheel(job.payload)}

            scheduler.handler("reviewer", kind="asyncio")(review)
            scheduler.handler("shell", run=["python", "job.py"])
            scheduler.handler("tests", run=lambda task: ["pytest", task.payload["folder"]])

        A coroutine function runs as a Trio task and takes a Job; with `kind="asyncio"` it runs
        as an asyncio task in the same thread, or, if it blocks, with `own_thread` in an asyncio
        loop of a thread of its own. In an asyncio program it runs in the program's own loop;
        `kind="trio"` has it run in the thread of the actors. A plain function takes a
        BlockingJob and runs in a thread. `run` is a command, as words without a shell, or a plain
        function that makes one from the task.

        What is returned (JSON) is the result of the task; what is raised fails the attempt, with
        its traceback as the error. Retry and GiveUp say what comes next, else `retry` does.
        `concurrency` (1..1,000) is how many run at a time here. `timeout` is seconds for one
        attempt; that of the task holds if it is shorter. Work that is told to stop has `grace`
        seconds for it. Raises InvalidRequest, with the fix.
        """
        return self._workers.register(
            agent_type,
            run=run,
            kind=kind,
            concurrency=concurrency,
            timeout=timeout,
            retry=retry,
            grace=grace,
            own_thread=own_thread,
        )

    async def run_workers(
        self, *, until_idle: bool = False, holder: str | None = None, lease: float = 60.0
    ) -> None:
        """Claim and run tasks with the registered handlers, until cancelled.

            async with trio.open_nursery() as nursery:
                nursery.start_soon(scheduler.run_workers)

        With `until_idle`, return when none of their agent types has a task that is ready,
        scheduled, running, or blocked by one that is being worked on; what a pause holds back
        does not count. When cancelled, running work is told to stop and gets the grace of its
        handler; what was not done goes back to the queue.

        `holder` names the pool where leases are shown. `lease` (1..86,400 s) is how long its
        tasks stay with it when its process dies; heartbeats are sent every third of it.

        Raises InvalidRequest without handlers, or while it runs already. Outages of the store
        are waited for.
        """
        run = partial(self._workers.run, until_idle=until_idle, holder=holder, lease=lease)
        await self._door.run_in_trio(run)

    async def end_workers(self) -> None:
        """Tell the workers to stop, and return when they have. The end of the block does so."""
        if self._lazy_workers is not None:
            await self._door.run_in_trio(self._lazy_workers.end)
