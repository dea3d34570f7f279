"""An asyncio loop in a thread of its own, opened and closed by Trio."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from threading import Thread

import trio

from scheduler.workers.guarded_loop import guard_tasks, nobody_hears
from scheduler.workers.running import Fail

logger = logging.getLogger("headrace.workers")


@asynccontextmanager
async def open_loop_thread(
    title: str, grace: float, fail: Fail
) -> AsyncIterator[asyncio.AbstractEventLoop]:
    """A running loop, for code that blocks: only what runs in it waits.

    Tasks in it that exit do not end it. If it ends all the same, `fail` is called in the Trio
    thread: to claim on would only fail task after task.

    At the end its tasks are cancelled; a thread that has not ended after `grace` seconds is
    left alone, and does not keep the program from ending.
    """
    thread = _LoopThread(title, fail)
    loop = await thread.start()
    try:
        yield loop
    finally:
        with trio.move_on_after(grace, shield=True) as scope:
            await thread.stop()
        if scope.cancelled_caught:
            logger.error("the asyncio thread of %s does not end; it is left alone", title)


class _LoopThread:
    def __init__(self, title: str, fail: Fail) -> None:
        self._title = title
        self._fail = fail
        self._token = trio.lowlevel.current_trio_token()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._started, self._ended = trio.Event(), trio.Event()

    async def start(self) -> asyncio.AbstractEventLoop:
        Thread(target=self._main, name=f"asyncio for {self._title}", daemon=True).start()
        await self._started.wait()
        if self._failure is not None:
            raise self._failure
        assert self._loop is not None
        return self._loop

    async def stop(self) -> None:
        assert self._loop is not None
        assert self._stop is not None
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        await self._ended.wait()

    def _main(self) -> None:
        try:
            # Not what the policy makes: that of trio-asyncio would run a Trio of its own in here.
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            if self._stop is not None and not self._stop.is_set():
                self._tell(self._end_early)
            self._tell(self._started.set)
            self._tell(self._ended.set)

    def _end_early(self) -> None:
        error = RuntimeError(f"the asyncio loop of {self._title} has ended; who called its stop()?")
        error.__cause__ = self._failure
        self._fail(error)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        guard_tasks(self._loop, nobody_hears)  # Ctrl-C comes to the main thread alone
        self._tell(self._started.set)
        await self._stop.wait()

    def _tell(self, call: Callable[[], None]) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(call)
