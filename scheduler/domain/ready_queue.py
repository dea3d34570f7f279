"""The tasks that can be claimed: in lanes by agent_type, and in lines by group and limit key.

A line is a sorted list rather than a heap: re-scoring a waiting task, asking for its position and
reading the first hundred are everyday questions. Which line comes next is told by `turns`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from scheduler.domain.heads import Place
from scheduler.domain.turns import IsOpen, Line, Turns

KINDS_OF_WORKERS = 64  # whose turns are remembered, by the lanes they ask for

LineName = tuple[str, str | None, str | None]  # lane, group, limit key


def _even(group: str | None) -> float:
    return 1.0


class Lane:
    """The lines of one agent_type, and the workers who ask for it."""

    __slots__ = ("lines", "turns")

    def __init__(self, turns: list[Turns]) -> None:
        self.lines: dict[LineName, Line] = {}
        self.turns = turns


class ReadyQueue:
    """Numbers of ready tasks; a number stands in it at most once. n is the length of its line.

    `points` are taken off a group's tasks for each start that it is ahead of the others;
    `weight` tells its share.

    >>> queue = ReadyQueue()
    >>> queue.add(("builder", None, None), 7, -30.0)
    >>> queue.add(("reviewer", None, None), 8, -40.0)
    >>> queue.pop(("parser",)), queue.pop(), queue.pop(("builder",))
    (None, 8, 7)
    """

    def __init__(self, points: float = 0.0, weight: Callable[[str | None], float] = _even) -> None:
        self._points = points
        self._weight = weight
        self._lanes: dict[str, Lane] = {}
        self._limited: dict[str, dict[LineName, Line]] = {}  # by limit key
        self._entries: dict[int, tuple[Line, float]] = {}
        self._turns: dict[tuple[str, ...] | None, Turns] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, number: int) -> bool:
        return number in self._entries

    def lanes(self) -> Iterable[str]:
        """The lanes that hold at least one task."""
        return self._lanes.keys()

    # ------------------------------------------------------------- in and out

    def add(self, name: LineName, number: int, key: float) -> None:
        """Put a task in its line; O(log n)."""
        line = self._line(name)
        self._entries[number] = (line, key)
        if line.add((key, number)):
            _stand(self._lanes[line.lane], line)

    def add_many(self, name: LineName, places: Iterable[Place]) -> None:
        """Put many tasks in one line."""
        fresh = list(places)
        if not fresh:
            return
        line = self._line(name)
        line.add_many(fresh)
        for key, number in fresh:
            self._entries[number] = (line, key)
        _stand(self._lanes[line.lane], line)

    def remove(self, number: int) -> bool:
        """Take a task out; False if it was not in. O(log n)."""
        entry = self._entries.pop(number, None)
        if entry is None:
            return False
        line, key = entry
        line.remove((key, number))
        if line.head is None:
            self._close(line)
        return True

    def rekey(self, number: int, key: float) -> None:
        """Move a waiting task to the place of its new key; O(log n)."""
        line, old = self._entries[number]
        if key != old:
            line.remove((old, number))
            self._entries[number] = (line, key)
            if line.add((key, number)):
                _stand(self._lanes[line.lane], line)

    def _line(self, name: LineName) -> Line:
        lane = self._lanes.get(name[0])
        if lane is None:
            turns = [turns for turns in self._turns.values() if turns.wants(name[0])]
            lane = self._lanes[name[0]] = Lane(turns)
        line = lane.lines.get(name)
        if line is None:
            line = lane.lines[name] = Line(*name)
            if line.limit_key is not None:
                self._limited.setdefault(line.limit_key, {})[name] = line
        return line

    def _close(self, line: Line) -> None:
        name = (line.lane, line.group, line.limit_key)
        lane = self._lanes[line.lane]
        del lane.lines[name]
        if not lane.lines:
            del self._lanes[line.lane]
        if line.limit_key is not None:
            del self._limited[line.limit_key][name]
            if not self._limited[line.limit_key]:
                del self._limited[line.limit_key]

    # ------------------------------------------------------------- the choice

    def pop(self, lanes: Iterable[str] | None = None, is_open: IsOpen | None = None) -> int | None:
        """Take out the task whose turn it is over the lanes asked for (None: all); O(log n).

        `is_open` tells whether tasks of a lane and limit key may start; None: all may.
        """
        turns = self._turns_of(None if lanes is None else tuple(lanes))
        line = turns.next(is_open)
        if line is None:
            return None
        number = line.pop()
        del self._entries[number]
        turns.started(line.group)
        if line.head is None:
            self._close(line)
        return number

    def has_turn(self, lanes: Iterable[str] | None, is_open: IsOpen | None) -> bool:
        """Whether `pop` would find a task."""
        return self._turns_of(None if lanes is None else tuple(lanes)).next(is_open) is not None

    def reopen_lane(self, name: str) -> Iterable[str]:
        """Tasks of this lane may start again. Returns the lanes this concerns."""
        lane = self._lanes.get(name)
        if lane is None:
            return ()
        for line in lane.lines.values():
            _stand(lane, line)
        return (name,)

    def reopen_limit_key(self, limit_key: str) -> Iterable[str]:
        """Tasks with this limit key may start again. Returns the lanes this concerns."""
        lines = self._limited.get(limit_key, {}).values()
        for line in lines:
            _stand(self._lanes[line.lane], line)
        return {line.lane for line in lines}

    def _turns_of(self, lanes: tuple[str, ...] | None) -> Turns:
        turns = self._turns.get(lanes)
        if turns is not None:
            return turns
        if len(self._turns) >= KINDS_OF_WORKERS:
            self._forget_turns(next(iter(self._turns)))
        turns = self._turns[lanes] = Turns(lanes, self._points, self._weight)
        for name in self._lanes if lanes is None else dict.fromkeys(lanes):
            lane = self._lanes.get(name)
            if lane is not None:
                lane.turns.append(turns)
                for line in lane.lines.values():
                    turns.stand(line)
        return turns

    def _forget_turns(self, lanes: tuple[str, ...] | None) -> None:
        forgotten = self._turns.pop(lanes)
        for lane in self._lanes.values():
            if forgotten in lane.turns:
                lane.turns.remove(forgotten)

    def ahead(self, number: int) -> int:
        """How many tasks of its lane have a better key; O(lines of the lane)."""
        line, key = self._entries[number]
        place = (key, number)
        return sum(line.places.bisect_left(place) for line in self._lanes[line.lane].lines.values())


def _stand(lane: Lane, line: Line) -> None:
    """With all workers who ask for its lane."""
    for turns in lane.turns:
        turns.stand(line)
