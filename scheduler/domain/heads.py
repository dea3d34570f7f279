"""A heap of things that change their place: what got worse is noticed when it comes up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush, heapreplace
from typing import Generic, TypeVar

Place = tuple[float, int]  # sort key and number of a task: no two are equal
T = TypeVar("T")

FEW = 64  # so many entries are kept without a look whether they still count


class Heads(Generic[T]):
    """See the module. `place` tells where a thing stands now; None: nowhere.

    A thing that may have got better must be offered at once, so that no entry ever ranks behind
    its thing.
    """

    def __init__(self, place: Callable[[T], Place | None]) -> None:
        self._place = place
        self._heap: list[tuple[float, int, int, T]] = []
        self._standing: dict[T, Place] = {}  # the best entry of each thing
        self._look_through_at = FEW

    def __contains__(self, item: T) -> bool:
        return item in self._standing

    def __len__(self) -> int:
        """Entries, counting or not."""
        return len(self._heap)

    def standing(self) -> Iterable[T]:
        """All things in it."""
        return self._standing.keys()

    def offer(self, item: T) -> None:
        """Take a thing in, or notice that it may be better now; O(log n)."""
        place = self._place(item)
        known = self._standing.get(item)
        if place is None or (known is not None and known <= place):
            return
        self._standing[item] = place
        heappush(self._heap, (*place, id(item), item))
        if len(self._heap) > self._look_through_at:
            self._look_through()

    def best(self) -> T | None:
        """The thing in front. One that stands nowhere leaves, and must be offered again."""
        heap, standing = self._heap, self._standing
        while heap:
            key, number, _, item = heap[0]
            known = (key, number)
            if standing.get(item) != known:
                heappop(heap)
                continue
            place = self._place(item)
            if place == known:
                return item
            if place is None:
                heappop(heap)
                del standing[item]
                continue
            heapreplace(heap, (*place, id(item), item))
            standing[item] = place
            if len(heap) == 1:
                return item
        return None

    def _look_through(self) -> None:
        """Drop what counts no more; O(1) an entry, for it waits for a doubling."""
        now = {item: self._place(item) for item in self._standing}
        self._standing = {item: place for item, place in now.items() if place is not None}
        self._heap = [(*place, id(item), item) for item, place in self._standing.items()]
        heapify(self._heap)
        self._look_through_at = max(FEW, 2 * len(self._heap))
