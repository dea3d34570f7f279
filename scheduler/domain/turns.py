"""Whose turn it is: the choice between lines of ready tasks, fair to their groups.

Workers that ask for the same agent types share their starts between the groups that have tasks
ready. It is start-time fair queueing (P. Goyal, H. Vin and H. Cheng, "Start-time fair queueing",
1996), with priorities in it: each start that a group is ahead of the others takes points off
its tasks. A group of ten thousand tasks cannot starve one of three, and what is urgent still goes
before what is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush, heapreplace

from sortedcontainers import SortedList

Place = tuple[float, int]  # sort key and number of a task: no two are equal
IsOpen = Callable[[str, str | None], bool]  # may tasks of this lane and limit key start?

FEW = 64  # so many entries are kept without a look whether they still count


class Line:
    """Ready tasks of one lane, group and limit key, best first."""

    __slots__ = ("group", "lane", "limit_key", "places")

    def __init__(self, lane: str, group: str | None, limit_key: str | None) -> None:
        self.lane = lane
        self.group = group
        self.limit_key = limit_key
        self.places: SortedList[Place] = SortedList()

    def __lt__(self, other: Line) -> bool:
        return id(self) < id(other)  # of two entries for one task, either


class Turns:
    """The lines that one kind of worker may choose from; `lanes` None: all.

    `points` are taken off for each start ahead; `weight` tells a group's share.

    A line that may have become better stands in a heap at once; one that has become worse is
    noticed when it comes up. So an entry never ranks behind its line.
    """

    def __init__(
        self,
        lanes: tuple[str, ...] | None,
        points: float,
        weight: Callable[[str | None], float],
    ) -> None:
        self._lanes = lanes
        self._points = points
        self._weight = weight
        self._heap: list[tuple[float, int, Line]] = []
        self._standing: dict[Line, Place] = {}  # the best entry of each line in the heap
        self._groups: Counter[str | None] = Counter()  # lines that stand in it
        self._tags: dict[str | None, float] = {}  # the start at which a group's next task is due
        self._now = 0.0  # in starts: the tag of the latest one
        self._look_through_at = FEW

    def wants(self, lane: str) -> bool:
        """Whether these workers ask for that lane."""
        return self._lanes is None or lane in self._lanes

    def stand(self, line: Line) -> None:
        """Take a line in, or notice that its head may be better now. O(log lines)."""
        known = self._standing.get(line)
        if known is None:
            if not self._groups[line.group]:  # whoever was away has not saved up for it
                self._tags[line.group] = max(self._tags.get(line.group, 0.0), self._now)
            self._groups[line.group] += 1
        place = self._place(line)
        if known is None or place < known:
            self._standing[line] = place
            heappush(self._heap, (*place, line))
            if len(self._heap) > self._look_through_at:
                self._look_through()

    def _place(self, line: Line) -> Place:
        key, number = line.places[0]
        return key + self._points * self._tags[line.group], number

    def next(self, is_open: IsOpen) -> Line | None:
        """The line whose turn it is. One that is not open must `stand` again when it is."""
        heap, standing = self._heap, self._standing
        while heap:
            value, number, line = heap[0]
            known = (value, number)
            if standing.get(line) != known:
                heappop(heap)
            elif not line.places or not is_open(line.lane, line.limit_key):
                heappop(heap)
                self._leave(line)
            elif (place := self._place(line)) != known:
                heapreplace(heap, (*place, line))
                standing[line] = place
            else:
                return line
        return None

    def started(self, group: str | None) -> None:
        """A task of this group was taken."""
        tag = self._tags[group]
        self._now = max(self._now, tag)
        self._tags[group] = tag + 1.0 / self._weight(group)

    def _leave(self, line: Line) -> None:
        del self._standing[line]
        group = line.group
        self._groups[group] -= 1
        if not self._groups[group]:
            del self._groups[group]
            if self._tags[group] <= self._now:
                del self._tags[group]

    def _look_through(self) -> None:
        """Drop the entries that count no more; O(1) an entry, for it waits for a doubling."""
        for line in [line for line in self._standing if not line.places]:
            self._leave(line)
        self._heap = [(*place, line) for line, place in self._standing.items()]
        heapify(self._heap)
        self._look_through_at = max(FEW, 2 * len(self._heap))
        if len(self._tags) > self._look_through_at:
            self._tags = {g: t for g, t in self._tags.items() if self._groups[g] or t > self._now}


def stand_all(turns: Turns, lines: Iterable[Line]) -> None:
    """Take in several lines."""
    for line in lines:
        turns.stand(line)
