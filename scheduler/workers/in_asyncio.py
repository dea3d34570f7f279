"""Jobs that are tasks of an asyncio loop: in the Trio thread through trio-asyncio, or elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import outcome
import trio

from scheduler.bridging.asyncio_door import AsyncioDoor
from scheduler.bridging.ferry import Call, Ferry, nothing
from scheduler.handle import Door, Handle
from scheduler.workers.job import Job
from scheduler.workers.running import Ended, Fail, Running, Stopped

Carry = Callable[[Call, Call], None]  # has the first called there soon, or the second if it cannot


class CancelledItself(Exception):
    """The outcome of an asyncio handler that was cancelled, and not by the workers."""


class InAsyncio:
    """See the module. `over` carries calls into the loop, `back` into the Trio thread."""

    can_abandon = False

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        handle: Handle,
        ended: Ended,
        fail: Fail,
        over: Carry,
        back: Carry,
    ) -> None:
        self._loop = loop
        self._handle = handle
        self._ended = ended
        self._fail = fail
        self._over = over
        self._back = back
        self._tasks: dict[Running, asyncio.Task[outcome.Maybe[Any]]] = {}  # the loop's own

    @property
    def has_jobs(self) -> bool:
        """Whether any is under way; may be asked from any thread."""
        return bool(self._tasks)

    def start(self, running: Running) -> None:
        lose = partial(self._lose, running)
        running.cancel = partial(self._over, partial(self._cancel, running), lose)
        self._over(partial(self._begin, running), lose)

    def _begin(self, running: Running) -> None:
        with running.span.current():
            task = self._loop.create_task(self.run_job(running), name=running.handler.title)
        self._tasks[running] = task
        task.add_done_callback(partial(self._done, running))

    async def run_job(self, running: Running) -> outcome.Maybe[Any]:
        """Also what the watchdog looks for on the stack, to tell whose job it is."""
        claim, function = running.claim, running.handler.function
        assert function is not None
        job = Job(claim.task, claim.token, claim.results, claim.truncated, scheduler=self._handle)
        try:
            return outcome.Value(await function(job))
        except asyncio.CancelledError:
            if running.why is not None:
                return outcome.Error(Stopped())
            error = CancelledItself("the handler was cancelled, and not by the scheduler")
            return outcome.Error(error)
        except BaseException as error:  # sys.exit would end the loop, and all other jobs with it
            return outcome.Error(error)

    def _done(self, running: Running, task: asyncio.Task[outcome.Maybe[Any]]) -> None:
        del self._tasks[running]
        result = outcome.Error(Stopped()) if task.cancelled() else task.result()
        self._back(partial(self._ended, running, result), nothing)

    def _cancel(self, running: Running) -> None:
        task = self._tasks.get(running)
        if task is not None:
            task.cancel()

    def _lose(self, running: Running) -> None:
        """The loop is gone. To claim on would fail task after task, so all workers end by it."""
        title = running.handler.title
        self._fail(RuntimeError(f"the asyncio loop of {title} has ended; who called its stop()?"))


def in_same_thread(
    loop: asyncio.AbstractEventLoop, handle: Handle, ended: Ended, fail: Fail
) -> InAsyncio:
    """For the loop that trio-asyncio runs in this Trio thread."""
    return InAsyncio(loop, handle, ended, fail, _at_once, _at_once)


def in_other_thread(
    loop: asyncio.AbstractEventLoop, handle: Handle, ended: Ended, fail: Fail
) -> InAsyncio:
    """For a loop that runs in another thread; called in the Trio thread."""
    token = trio.lowlevel.current_trio_token()
    over = Ferry(loop.call_soon_threadsafe)
    back = Ferry(token.run_sync_soon)
    return InAsyncio(loop, handle, ended, fail, over.carry, back.carry)


def handle_in(loop: asyncio.AbstractEventLoop, door: Door, sources: Mapping[str, float]) -> Handle:
    """A handle for tasks of this loop; called in the Trio thread."""
    return Handle(AsyncioDoor(door, trio.lowlevel.current_trio_token(), loop), sources)


def _at_once(call: Call, lost: Call) -> None:
    call()
