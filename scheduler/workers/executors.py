"""The executors of a pool: one for each kind of handler that it has."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from scheduler.bridging.blocking import BlockingHandle
from scheduler.bridging.thread_door import ThreadDoor
from scheduler.handle import Door, Handle
from scheduler.workers.endings import passes
from scheduler.workers.handlers import Handler
from scheduler.workers.in_processes import run_command_of
from scheduler.workers.in_threads import InThreads
from scheduler.workers.job import Job
from scheduler.workers.running import Ended, Executor, Fail, InTrio, Running
from scheduler.workers.watchdog import watched_asyncio

if TYPE_CHECKING:
    import asyncio


class Executors:
    """See the module. `loop` is that of the program, if it is an asyncio program.

    What asyncio handlers need is imported only where there are any.
    """

    def __init__(
        self,
        door: Door,
        sources: Mapping[str, float],
        handlers: Sequence[Handler],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._door = door
        self._sources = sources
        self._handlers = handlers
        self._loop = loop
        self._handle = Handle(door, sources)
        self._of: dict[Handler, Executor] = {}

    def of(self, handler: Handler) -> Executor:
        """Where the jobs of this handler run."""
        return self._of[handler]

    @asynccontextmanager
    async def open(self, ended: Ended, fail: Fail) -> AsyncIterator[None]:
        """Have ready what the handlers need within the block; it ends when Trio jobs have.

        `fail` is called in the Trio thread with what no handler may keep to itself.
        """
        async with AsyncExitStack() as stack:
            await self._open_elsewhere(stack, ended, fail)
            async with trio.open_nursery() as nursery:
                self._open_here(nursery, ended)
                yield

    def _open_here(self, nursery: trio.Nursery, ended: Ended) -> None:
        in_trio = InTrio(nursery, ended, self._call, passes)
        commands = InTrio(nursery, ended, run_command_of, passes)
        token = trio.lowlevel.current_trio_token()
        blocking = BlockingHandle(Handle(ThreadDoor(self._door, token), self._sources))
        in_threads = InThreads(blocking, token, ended)
        for handler in self._handlers:
            match handler.kind:
                case "trio":
                    self._of[handler] = in_trio
                case "subprocess":
                    self._of[handler] = commands
                case "thread":
                    self._of[handler] = in_threads
                case "asyncio":
                    pass  # open already

    async def _open_elsewhere(self, stack: AsyncExitStack, ended: Ended, fail: Fail) -> None:
        shared: Executor | None = None
        for handler in self._handlers:
            if handler.kind == "asyncio" and handler.own_thread:
                self._of[handler] = await self._open_thread(stack, handler, ended, fail)
            elif handler.kind == "asyncio":
                shared = shared or await self._open_shared(stack, ended, fail)
                self._of[handler] = shared

    async def _call(self, running: Running) -> Any:
        claim, function = running.claim, running.handler.function
        assert function is not None
        return await function(
            Job(claim.task, claim.token, claim.results, claim.truncated, scheduler=self._handle)
        )

    async def _open_shared(self, stack: AsyncExitStack, ended: Ended, fail: Fail) -> Executor:
        from scheduler.workers import in_asyncio
        from scheduler.workers.guarded_loop import guarded

        if self._loop is not None:
            handle = in_asyncio.handle_in(self._loop, self._door, self._sources)
            executor = in_asyncio.in_other_thread(self._loop, handle, ended, fail)
            stack.enter_context(watched_asyncio(self._loop, lambda: executor.has_jobs))
            return executor
        with warnings.catch_warnings():  # it defines a kind of class that Python gives up
            warnings.simplefilter("ignore", DeprecationWarning)
            from trio_asyncio import open_loop
        loop = await stack.enter_async_context(open_loop())
        stack.enter_context(guarded(loop, fail))
        handle = in_asyncio.handle_in(loop, self._door, self._sources)
        return in_asyncio.in_same_thread(loop, handle, ended, fail)

    async def _open_thread(
        self, stack: AsyncExitStack, handler: Handler, ended: Ended, fail: Fail
    ) -> Executor:
        from scheduler.workers import in_asyncio
        from scheduler.workers.foreign_loop import open_loop_thread

        opening = open_loop_thread(handler.title, handler.grace, fail)
        loop = await stack.enter_async_context(opening)
        handle = in_asyncio.handle_in(loop, self._door, self._sources)
        return in_asyncio.in_other_thread(loop, handle, ended, fail)
