"""Calls functions at their moments on Trio's clock, all from one task."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf
from typing import NamedTuple

import trio

from scheduler.workers.running import Running

FEW = 256  # so many entries of jobs that are over are kept


class _Entry(NamedTuple):
    moment: float
    serial: int
    running: Running
    call: Callable[[Running], None]


class Timekeeper:
    """See the module. O(log n) a moment; what belongs to a job that is over is dropped."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []  # heap
        self._serial = 0
        self._look_through_at = FEW
        self._sooner = trio.Event()
        self._until = inf

    def after(self, seconds: float, running: Running, call: Callable[[Running], None]) -> None:
        """Call `call(running)` in so many seconds, unless the job is over by then."""
        if len(self._entries) >= self._look_through_at:
            self._entries = [entry for entry in self._entries if not entry.running.over]
            heapify(self._entries)
            self._look_through_at = max(FEW, 2 * len(self._entries))
        self._serial += 1
        moment = trio.current_time() + seconds
        heappush(self._entries, _Entry(moment, self._serial, running, call))
        if moment < self._until:
            self._sooner.set()

    async def run(self) -> None:
        """Keep time until cancelled."""
        while True:
            while self._entries and self._entries[0].moment <= trio.current_time():
                entry = heappop(self._entries)
                if not entry.running.over:
                    entry.call(entry.running)
            self._until = self._entries[0].moment if self._entries else inf
            self._sooner = trio.Event()
            with trio.move_on_at(self._until):
                await self._sooner.wait()
