"""The locks of one file, by which SQLite's connections get along, and its shared memory."""

from __future__ import annotations

import ctypes
from collections.abc import Hashable

NONE, SHARED, RESERVED, PENDING, EXCLUSIVE = range(5)  # https://sqlite.org/lockingv3.html
SLOTS = 8  # of the shared memory


class FileLocks:
    """Who holds what of the database file."""

    def __init__(self) -> None:
        self._levels: dict[Hashable, int] = {}

    def lock(self, who: Hashable, level: int) -> bool:
        """Raise `who` to `level`, if the others allow it."""
        mine = self._levels.get(who, NONE)
        if mine >= level:
            return True
        others = max((held for other, held in self._levels.items() if other != who), default=NONE)
        if level == SHARED:
            allowed = others < PENDING
        elif level == EXCLUSIVE:
            allowed = others == NONE
            if not allowed and others == SHARED:
                self._levels[who] = PENDING  # no new readers, so that the old ones end
        else:
            allowed = others < RESERVED
        if allowed:
            self._levels[who] = level
        return allowed

    def unlock(self, who: Hashable, level: int) -> None:
        """Lower `who` to `level`."""
        if level == NONE:
            self._levels.pop(who, None)
        elif self._levels.get(who, NONE) > level:
            self._levels[who] = level

    def reserved(self) -> bool:
        """Whether somebody is about to write."""
        return max(self._levels.values(), default=NONE) >= RESERVED


class SharedMemory:
    """The index of the log: regions of memory, and locks on eight slots."""

    def __init__(self) -> None:
        self.users: set[Hashable] = set()
        self._regions: list[ctypes.Array[ctypes.c_char]] = []
        self._shared: list[set[Hashable]] = [set() for _ in range(SLOTS)]
        self._exclusive: list[Hashable | None] = [None] * SLOTS

    def region(self, number: int, size: int, *, extend: bool) -> int | None:
        """The address of a region; None if it is not there and is not to be made."""
        if number >= len(self._regions) and not extend:
            return None
        while number >= len(self._regions):
            self._regions.append(ctypes.create_string_buffer(size))
        return ctypes.addressof(self._regions[number])

    def lock(self, who: Hashable, slots: range, *, exclusive: bool) -> bool:
        """Lock all the slots, or none."""
        for slot in slots:
            if self._exclusive[slot] not in (None, who):
                return False
            if exclusive and self._shared[slot] - {who}:
                return False
        for slot in slots:
            if exclusive:
                self._exclusive[slot] = who
            else:
                self._shared[slot].add(who)
        return True

    def unlock(self, who: Hashable, slots: range) -> None:
        """Let go of the slots."""
        for slot in slots:
            if self._exclusive[slot] == who:
                self._exclusive[slot] = None
            self._shared[slot].discard(who)
