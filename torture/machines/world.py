"""A real scheduler inside a guest run: opened, asked, closed, and killed."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio

from persistence.memory import MemoryStore
from persistence.store import Store
from scheduler import Scheduler, SchedulerError, Weights, testing
from torture.machines.guest import Guest
from torture.machines.moves import Ask
from torture.machines.state import Asked


class World:
    """See the module. With a folder the tasks are in a file, else in a store in memory."""

    def __init__(self, folder: Path | None, *, fairness: float, max_unfinished: int) -> None:
        self.guest = Guest()
        self.skew = 0.0  # seconds that the wall clock is off
        self._folder = folder
        self._generation = 0  # of the files
        self._openings = 0
        self._memory = MemoryStore()
        self._options: dict[str, Any] = {
            "weights": Weights(fairness=fairness),
            "max_unfinished": max_unfinished,
            "wall_clock": lambda: testing.wall_clock() + self.skew,
            "durability": "committed",
        }
        self._scheduler: Scheduler
        self._closing: trio.Event
        self.open()

    @property
    def scheduler(self) -> Scheduler:
        return self._scheduler

    # ------------------------------------------------------------- life

    def open(self) -> None:
        """Open it on what the last one left."""

        async def begin() -> Scheduler:
            self._closing = trio.Event()
            scheduler: Scheduler = await self.guest.nursery.start(self._hold)
            return scheduler

        self._scheduler = self.guest.call(begin)

    async def _hold(self, task_status: trio.TaskStatus[Scheduler]) -> None:
        closing = self._closing
        path = "" if self._folder is None else str(self._path)
        store: Store | None = self._memory if self._folder is None else None
        self._openings += 1
        async with testing.open_scheduler(
            path, seed=self._openings, store=store, **self._options
        ) as opened:
            task_status.started(opened)
            await closing.wait()

    @property
    def _path(self) -> Path:
        assert self._folder is not None
        return self._folder / f"{self._generation}.db"

    def close(self) -> None:
        """Leave the block: all is saved."""

        async def end() -> None:
            self._closing.set()

        self.guest.call(end)

    def restart(self) -> None:
        self.close()
        self.open()

    def kill(self) -> None:
        """Go on with what is on record now, as after a kill -9."""
        if self._folder is None:
            left = copy.deepcopy(self._memory)
            self.close()
            self._memory = left
        else:
            old = self._path
            self._generation += 1
            for suffix in ("", "-wal"):
                if (source := old.with_name(old.name + suffix)).exists():
                    shutil.copyfile(source, self._path.with_name(self._path.name + suffix))
            self.close()
        self.open()

    def end(self) -> None:
        try:
            self.close()
        finally:
            self.guest.end()

    # ------------------------------------------------------------- calls

    def ask(self, ask: Ask) -> Asked:
        """Call from the task that called last, so that it may be handled at once."""
        asked = Asked()
        self.guest.call(lambda: _hear(ask, self._scheduler, asked))
        return asked

    def ask_together(self, asks: Sequence[Ask], ticks: Sequence[int] = (0, 0, 0)) -> list[Asked]:
        """Call from a task each, so many ticks of the loop from now.

        Some may go on waiting for their answer.
        """
        answers = [Asked() for _ in asks]

        async def start() -> None:
            for ask, asked, delay in zip(asks, answers, ticks, strict=False):
                self.guest.nursery.start_soon(_hear, ask, self._scheduler, asked, delay)

        self.guest.call(start)
        return answers


async def _hear(ask: Ask, scheduler: Scheduler, asked: Asked, ticks: int = 0) -> None:
    for _ in range(ticks):
        await trio.lowlevel.checkpoint()
    try:
        asked.heard = await ask(scheduler)
    except SchedulerError as error:
        asked.heard = error
    asked.done = True
