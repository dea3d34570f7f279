"""Where a loop of actors lives, so that a call from elsewhere is refused and not lost."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from threading import get_ident
from typing import Self, TypeVar

from sniffio import thread_local as running

from scheduler.domain.errors import WrongContext

T = TypeVar("T")


class Home:
    """The process and thread in which this was made, as long as Trio runs what runs there."""

    __slots__ = ("_forks", "_thread")
    forks = 0  # between the first process and this one; cheaper to look at than the process's id

    def __init__(self) -> None:
        self._forks = Home.forks
        self._thread = get_ident()

    def check(self) -> None:
        """Raise WrongContext if a Trio task of this thread is not what calls. O(1), 0.1 us."""
        if running.name != "trio" or get_ident() != self._thread or Home.forks != self._forks:
            raise self._refusal()

    def _refusal(self) -> WrongContext:
        if Home.forks != self._forks:
            return forked()
        if running.name == "asyncio" or _in_asyncio():
            return WrongContext(
                "a handle for Trio tasks is used in an asyncio task",
                hint="Use `from scheduler.asyncio import open_scheduler` in asyncio programs, and "
                "in an asyncio handler the `scheduler` of its job.",
            )
        return WrongContext(
            "a handle for Trio tasks is used outside the Trio loop in which it was opened",
            hint="Call it with `trio.from_thread.run` in a thread that Trio started; use "
            "`from scheduler.threads import open_scheduler` in programs without Trio.",
        )


def _count_fork() -> None:
    Home.forks += 1


os.register_at_fork(after_in_child=_count_fork)


class InTrio:
    """What all doors have in common whose callers are Trio tasks."""

    failure: BaseException | None = None  # what ended the actors, if they did not close

    @property
    def trio_door(self) -> Self:
        """The door as Trio tasks use it: this one."""
        return self

    async def run_in_trio(self, function: Callable[[], Awaitable[T]]) -> T:
        """Await a coroutine function; whoever calls is in Trio already."""
        return await function()


def forked() -> WrongContext:
    """The refusal of a handle that came into this process by a fork."""
    return WrongContext(
        "a handle is used in a process that was forked from the one that opened it",
        hint="Open the file anew in the child process, with `connect`; or start the child with "
        "the `spawn` method of multiprocessing.",
    )


def must_be_in_trio() -> None:
    """Raise WrongContext where no Trio task calls."""
    if running.name != "trio":
        raise WrongContext(
            "this is for Trio tasks, and no Trio loop runs here",
            hint="Use the same name from scheduler.asyncio in asyncio programs, and from "
            "scheduler.threads in programs without either.",
        )


def _in_asyncio() -> bool:
    import asyncio  # not before: a program on Trio may do without it

    return asyncio._get_running_loop() is not None
