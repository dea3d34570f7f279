"""Whose turn it is: the choice between lines of ready tasks, fair to their groups.

Workers that ask for the same agent types share their starts between the groups that have tasks
ready. It is start-time fair queueing (P. Goyal, H. Vin and H. Cheng, "Start-time fair queueing",
1996), with priorities in it: each start that a group is ahead of the others takes points off
its tasks. A group of ten thousand tasks cannot starve one of three, and what is urgent still goes
before what is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sortedcontainers import SortedList

from scheduler.domain.heads import FEW, Heads, Place

IsOpen = Callable[[str, str | None], bool]  # may tasks of this lane and limit key start?


class Line:
    """Ready tasks of one lane, group and limit key, best first.

    `head` is the first of its places: to ask a sorted list costs 0.3 us, and each claim asks often.
    """

    __slots__ = ("group", "head", "lane", "limit_key", "places")

    def __init__(self, lane: str, group: str | None, limit_key: str | None) -> None:
        self.lane = lane
        self.group = group
        self.limit_key = limit_key
        self.places: SortedList[Place] = SortedList()
        self.head: Place | None = None

    def add(self, place: Place) -> bool:
        """Take a task in; whether it is the first now."""
        self.places.add(place)
        first = self.head is None or place < self.head
        if first:
            self.head = place
        return first

    def add_many(self, places: Iterable[Place]) -> None:
        """Take several tasks in: one sort instead of many insertions."""
        self.places.update(places)
        self.head = self.places[0]

    def remove(self, place: Place) -> None:
        """Take a task out."""
        self.places.remove(place)
        if place == self.head:
            self.head = self.places[0] if self.places else None

    def pop(self) -> int:
        """Take the first out; its number."""
        _, number = self.places.pop(0)
        self.head = self.places[0] if self.places else None
        return number


class Sharer:
    """A group among others: its lines, and when its next start is due by its share."""

    __slots__ = ("head", "lines", "tag")

    def __init__(self, place: Callable[[Line], Place | None]) -> None:
        self.lines = Heads(place)
        self.head: Line | None = None  # the best of them when it was last asked for
        self.tag = 0.0  # in starts


class Turns:
    """The lines that one kind of worker may choose from; `lanes` None: all.

    `points` are taken off for each start ahead; `weight` tells a group's share.
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
        self._sharers: dict[str | None, Sharer] = {}
        self._look_through_at = FEW
        self._heads = Heads(self._place_of_sharer)
        self._now = 0.0  # in starts: the tag of the latest one
        self._is_open: IsOpen | None = None  # while it is asked whose turn it is

    def wants(self, lane: str) -> bool:
        """Whether these workers ask for that lane."""
        return self._lanes is None or lane in self._lanes

    def stand(self, line: Line) -> None:
        """Take a line in, or notice that its head may be better now. O(log lines)."""
        sharer = self._sharers.get(line.group)
        if sharer is None:
            sharer = self._new_sharer(line.group)
        sharer.lines.offer(line)
        if sharer not in self._heads:  # whoever was away has not saved up for it
            sharer.tag = max(sharer.tag, self._now)
        self._heads.offer(sharer)

    def next(self, is_open: IsOpen | None) -> Line | None:
        """The line whose turn it is. One that is not open must `stand` again when it is."""
        self._is_open = is_open
        try:
            sharer = self._heads.best()
            return None if sharer is None else sharer.head
        finally:
            self._is_open = None

    def started(self, group: str | None) -> None:
        """A task of this group was taken."""
        sharer = self._sharers[group]
        self._now = max(self._now, sharer.tag)
        sharer.tag += 1.0 / self._weight(group)

    def _place_of_line(self, line: Line) -> Place | None:
        if self._is_open is not None and not self._is_open(line.lane, line.limit_key):
            return None
        return line.head

    def _place_of_sharer(self, sharer: Sharer) -> Place | None:
        line = sharer.head = sharer.lines.best()
        if line is None or line.head is None:
            return None
        key, number = line.head
        return key + self._points * sharer.tag, number

    def _new_sharer(self, group: str | None) -> Sharer:
        if len(self._sharers) >= self._look_through_at:  # what has nothing ready is forgotten
            sharers = self._sharers.items()
            self._sharers = {name: sharer for name, sharer in sharers if sharer in self._heads}
            self._look_through_at = max(FEW, 2 * len(self._sharers))
        sharer = self._sharers[group] = Sharer(self._place_of_line)
        return sharer
