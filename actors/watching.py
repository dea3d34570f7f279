"""Clients that wait for tasks to finish, or for anything to change."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

from actors.commands import ReadChanges, Wait

FEW = 64  # so many are kept without a look whether they are still there


class Watching:
    """Waits by the tasks they lack, and readers of the change feed, each with its end."""

    def __init__(self) -> None:
        self._open: dict[int, Wait | ReadChanges] = {}
        self._lacking: dict[int, set[int]] = {}  # by wait: numbers that have not finished
        self._wanted: dict[int, set[int]] = {}  # by number: waits
        self._readers: set[int] = set()
        self._ends: list[tuple[float, int]] = []  # heap
        self._serial = 0
        self._look_through_at = FEW

    def __bool__(self) -> bool:
        """Whether anyone waits."""
        return bool(self._open)

    @property
    def waits(self) -> bool:
        """Whether anyone waits for a task to finish."""
        return bool(self._wanted)

    def _add(self, watcher: Wait | ReadChanges, now: float) -> int:
        if len(self._open) >= self._look_through_at:
            self._forget_gone()
        self._serial += 1
        self._open[self._serial] = watcher
        if watcher.seconds != float("inf"):
            heappush(self._ends, (now + watcher.seconds, self._serial))
        return self._serial

    def wait(self, wait: Wait, unfinished: Iterable[int], now: float) -> None:
        """Let a client wait for these tasks."""
        serial = self._add(wait, now)
        self._lacking[serial] = set(unfinished)
        for number in self._lacking[serial]:
            self._wanted.setdefault(number, set()).add(serial)

    def read(self, reader: ReadChanges, now: float) -> None:
        """Let a client wait for a change."""
        self._readers.add(self._add(reader, now))

    def finished(self, numbers: Iterable[int]) -> list[Wait]:
        """These tasks have finished: the waits that lack nothing any more, removed."""
        complete: list[Wait] = []
        for number in numbers:
            for serial in self._wanted.pop(number, ()):
                lacking = self._lacking[serial]
                lacking.discard(number)
                if not lacking:
                    watcher = self._remove(serial)
                    assert isinstance(watcher, Wait)
                    complete.append(watcher)
        return complete

    def take_readers(self) -> list[ReadChanges]:
        """Something has changed: all readers, removed."""
        taken = [self._remove(serial) for serial in list(self._readers)]
        return [reader for reader in taken if isinstance(reader, ReadChanges)]

    def due(self) -> float:
        """When the first of them has waited long enough; inf if none waits."""
        while self._ends and self._ends[0][1] not in self._open:
            heappop(self._ends)
        return self._ends[0][0] if self._ends else float("inf")

    def take_ended(self, now: float) -> list[Wait | ReadChanges]:
        """Those who have waited long enough, removed."""
        ended: list[Wait | ReadChanges] = []
        while self.due() <= now:
            ended.append(self._remove(heappop(self._ends)[1]))
        return ended

    def take_all(self) -> list[Wait | ReadChanges]:
        """Everyone, removed."""
        return [self._remove(serial) for serial in list(self._open)]

    def _forget_gone(self) -> None:
        """Drop those whose client was cancelled; O(1) a watcher, for it waits for a doubling."""
        for serial, watcher in list(self._open.items()):
            if watcher.reply.abandoned:
                self._remove(serial)
        self._look_through_at = max(FEW, 2 * len(self._open))

    def _remove(self, serial: int) -> Wait | ReadChanges:
        for number in self._lacking.pop(serial, ()):
            waits = self._wanted.get(number)
            if waits is not None:
                waits.discard(serial)
                if not waits:
                    del self._wanted[number]
        self._readers.discard(serial)
        return self._open.pop(serial)
