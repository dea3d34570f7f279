"""open_scheduler and connect for asyncio programs, with the options of those for Trio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial, wraps
from typing import Any, ParamSpec

from scheduler import embedding
from scheduler.bridging.asyncio_door import AsyncioDoor, wait_out
from scheduler.bridging.background import Background
from scheduler.bridging.ferry import nothing
from scheduler.domain.errors import SchedulerClosed, WrongContext
from scheduler.embedded import Scheduler
from scheduler.sharing import connecting

P = ParamSpec("P")
Opening = Callable[P, AbstractAsyncContextManager[Scheduler]]


def for_asyncio(opening: Opening[P]) -> Opening[P]:
    """The same for asyncio tasks: opens in a thread of its own, and yields a handle for here."""

    @wraps(opening)
    def opening_here(*args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[Scheduler]:
        return _open(partial(opening, *args, **kwargs))

    return opening_here


@asynccontextmanager
async def _open(
    opening: Callable[[], AbstractAsyncContextManager[Scheduler]],
) -> AsyncIterator[Scheduler]:
    loop = _running_loop()
    background = Background(opening)
    background.start()
    left = await wait_out(_told(background.opened, loop), background.stop)
    if left is not None or background.opened.exception() is not None:
        background.stop()
        left = await wait_out(_told(background.ended, loop), background.stop) or left
        background.end()
        if left is not None:
            raise left
    opened = background.opened.result()
    door = AsyncioDoor(opened.value._door, opened.token, loop, opened.nursery)
    scheduler = Scheduler(door, opened.value._sources, "asyncio", loop)
    alarm = _Alarm(background, loop)
    try:
        yield scheduler
    finally:
        if background.is_here:
            await alarm.leave(scheduler)


class _Alarm:
    """Cancels the task that has the block open, should the actors end before the block does."""

    def __init__(self, background: Background[Scheduler], loop: asyncio.AbstractEventLoop) -> None:
        self._background = background
        self._task = asyncio.current_task()
        self._leaving = False
        self._rang = False
        self._ended = _told(background.ended, loop)
        self._ended.add_done_callback(self._ring)

    def _ring(self, _: object) -> None:
        if not self._leaving and self._task is not None:
            self._rang = True
            self._task.cancel("the scheduler has ended")

    async def leave(self, scheduler: Scheduler) -> None:
        """End workers and actors in order. What they ended by has precedence over a cancel."""
        self._leaving = True
        ending = asyncio.ensure_future(_end_workers(scheduler))
        left = await wait_out(ending, nothing)
        self._background.stop()
        left = await wait_out(self._ended, self._background.stop) or left
        self._background.end()
        if self._rang and self._task is not None:
            self._task.uncancel()
        self._background.ended.result()
        if left is not None:
            raise left


async def _end_workers(scheduler: Scheduler) -> None:
    with suppress(SchedulerClosed):  # the actors have ended before
        await scheduler.end_workers()


def _told(future: Future[Any], loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
    """Done as soon as the future of another thread is."""
    told = loop.create_future()

    def tell(_: object) -> None:
        with suppress(RuntimeError):  # the loop was closed with the block still open
            loop.call_soon_threadsafe(told.set_result, None)

    future.add_done_callback(tell)
    return told


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise WrongContext(
            "this is for asyncio tasks, and no asyncio loop runs here",
            hint="In a Trio program use the same name from scheduler, in a program without "
            "either the one from scheduler.threads.",
        ) from None


open_scheduler = for_asyncio(embedding.open_scheduler)
connect = for_asyncio(connecting.connect)
