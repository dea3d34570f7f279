"""A thread of its own that runs Trio, with one block open in it until it is told to stop."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import Generic, TypeVar

import trio

T = TypeVar("T")

AT_EXIT = 60.0  # seconds for a block that nobody left, and which may wait for a loop that is gone


@dataclass(frozen=True, slots=True)
class Opened(Generic[T]):
    """What the block yields, its loop, and a nursery that ends before the block does."""

    value: T
    token: trio.lowlevel.TrioToken
    nursery: trio.Nursery


class Background(Generic[T]):
    """See the module. `opened` is the open block, or the error that opening it raised.

    `ended` is done when the thread has left the block, with what leaving it raised. Neither can
    be cancelled: use `stop`. A thread that nobody stops is stopped and joined at exit.
    """

    def __init__(self, opening: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self.opened: Future[Opened[T]] = Future()
        self.ended: Future[None] = Future()
        self._opening = opening
        self._scope = trio.CancelScope()
        self._token: trio.lowlevel.TrioToken | None = None
        self._stopping = False
        self._process = os.getpid()
        self._thread = Thread(target=self._run, name="headrace-trio", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self.opened.set_running_or_notify_cancel()
        self.ended.set_running_or_notify_cancel()
        atexit.register(
            self._end_at_exit
        )  # a daemon still runs then; other threads would be awaited before
        self._thread.start()

    @property
    def is_here(self) -> bool:
        """Whether this is the process of the thread: a fork has no copy of it."""
        return os.getpid() == self._process

    def stop(self) -> None:
        """Let the block end; does not wait for it. May be called at any time, in any thread."""
        self._stopping = True
        if self._token is not None and not self.ended.done():
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._scope.cancel)

    def end(self) -> None:
        """Stop, and wait until the thread is gone."""
        if self.is_here:
            self.stop()
            self._thread.join()
            atexit.unregister(self._end_at_exit)

    def _end_at_exit(self) -> None:
        if self.is_here:
            self.stop()
            self._thread.join(AT_EXIT)

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            trio.run(self._main)
        except BaseException as error:  # it is raised where the thread was started
            failure = error
        if not self.opened.done():
            self.opened.set_exception(failure or RuntimeError("stopped before it was open"))
            failure = None
        if failure is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(failure)

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        if self._stopping:  # before there was a token
            return
        with self._scope:
            async with self._opening() as value, trio.open_nursery() as nursery:
                self.opened.set_result(Opened(value, self._token, nursery))
                await trio.sleep_forever()
