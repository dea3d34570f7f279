"""The tasks that can be claimed, best first, in one lane for each agent_type.

A sorted list rather than a heap: re-scoring a waiting task, asking for its position and
reading the first hundred are everyday questions. Entries are (sort key, number), so that no
two are equal and ties go to the earlier id.
"""

from __future__ import annotations

from collections.abc import Iterable

from sortedcontainers import SortedList

Entry = tuple[float, int]


class ReadyQueue:
    """Numbers of ready tasks in lanes; a number stands in it at most once. n is the lane's length.

    >>> queue = ReadyQueue()
    >>> queue.add("builder", 7, -30.0); queue.add("reviewer", 8, -40.0)
    >>> queue.pop(["parser"]), queue.pop(), queue.pop(["builder"])
    (None, 8, 7)
    """

    def __init__(self) -> None:
        self._lanes: dict[str, SortedList[Entry]] = {}
        self._entries: dict[int, tuple[str, float]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, number: int) -> bool:
        return number in self._entries

    def lanes(self) -> Iterable[str]:
        """The lanes that hold at least one task."""
        return self._lanes.keys()

    def add(self, lane: str, number: int, key: float) -> None:
        """Put a task in; O(log n)."""
        entries = self._lanes.get(lane)
        if entries is None:
            entries = self._lanes[lane] = SortedList()
        entries.add((key, number))
        self._entries[number] = (lane, key)

    def add_many(self, lane: str, keys: Iterable[tuple[float, int]]) -> None:
        """Put many tasks in one lane: one sort instead of many insertions."""
        fresh = list(keys)
        if not fresh:
            return
        self._lanes.setdefault(lane, SortedList()).update(fresh)
        for key, number in fresh:
            self._entries[number] = (lane, key)

    def remove(self, number: int) -> bool:
        """Take a task out; False if it was not in. O(log n)."""
        entry = self._entries.pop(number, None)
        if entry is None:
            return False
        lane, key = entry
        entries = self._lanes[lane]
        entries.remove((key, number))
        if not entries:
            del self._lanes[lane]
        return True

    def rekey(self, number: int, key: float) -> None:
        """Move a waiting task to the place of its new key; O(log n)."""
        lane, old = self._entries[number]
        if key != old:
            entries = self._lanes[lane]
            entries.remove((old, number))
            entries.add((key, number))
            self._entries[number] = (lane, key)

    def pop(self, lanes: Iterable[str] | None = None) -> int | None:
        """Take out the first task over the lanes asked for (None: all); O(lanes + log n)."""
        best: SortedList[Entry] | None = None
        lane = ""
        for name in self._lanes if lanes is None else lanes:
            entries = self._lanes.get(name)
            if entries is not None and (best is None or entries[0] < best[0]):
                best, lane = entries, name
        if best is None:
            return None
        _, number = best.pop(0)
        del self._entries[number]
        if not best:
            del self._lanes[lane]
        return number

    def ahead(self, number: int) -> int:
        """How many tasks of its lane stand in front of it; O(log n)."""
        lane, key = self._entries[number]
        return self._lanes[lane].bisect_left((key, number))
