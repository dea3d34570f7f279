"""Claims that found nothing ready and wait, the oldest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from actors.commands import ClaimReady

FEW = 64  # so many are kept without a look whether they are still there


class WaitingClaims:
    """Claims by the lanes they want; None stands for "any lane".

    A claim that was served, or whose caller is gone, is dropped where it is met.
    """

    def __init__(self) -> None:
        self._claims: dict[int, ClaimReady] = {}  # by serial number, oldest first
        self._lanes: dict[str | None, deque[int]] = {}
        self._ends: list[tuple[float, int]] = []  # heap
        self._serial = 0
        self._added = 0  # entries in the lanes since they were looked through
        self._look_through_at = FEW

    def __len__(self) -> int:
        return len(self._claims)

    def add(self, claim: ClaimReady, until: float) -> None:
        """Let a claim wait until that moment."""
        self._added += len(claim.agent_types or (None,))
        if self._added >= self._look_through_at:
            self._forget_gone()
        self._serial += 1
        self._claims[self._serial] = claim
        for lane in claim.agent_types or (None,):
            self._lanes.setdefault(lane, deque()).append(self._serial)
        heappush(self._ends, (until, self._serial))

    def _forget_gone(self) -> None:
        """Drop those whose caller was cancelled; O(1) a claim, for it waits for a doubling."""
        kept = {s: claim for s, claim in self._claims.items() if not claim.reply.abandoned}
        self._claims = kept
        self._ends = [end for end in self._ends if end[1] in kept]
        heapify(self._ends)
        for lane, serials in list(self._lanes.items()):
            left = deque(serial for serial in serials if serial in kept)
            if left:
                self._lanes[lane] = left
            else:
                del self._lanes[lane]
        self._added = sum(map(len, self._lanes.values()))
        self._look_through_at = max(FEW, 2 * self._added)

    def oldest(self, lanes: Iterable[str]) -> tuple[int, ClaimReady] | None:
        """The claim that has waited longest for one of these lanes."""
        heads = [head for lane in (*lanes, None) if (head := self._head(lane)) is not None]
        if not heads:
            return None
        serial = min(heads)
        return serial, self._claims[serial]

    def _head(self, lane: str | None) -> int | None:
        queue = self._lanes.get(lane)
        while queue:
            claim = self._claims.get(queue[0])
            if claim is not None and not claim.reply.abandoned:
                return queue[0]
            self._claims.pop(queue.popleft(), None)
        self._lanes.pop(lane, None)
        return None

    def remove(self, serial: int) -> None:
        """The claim was served."""
        self._claims.pop(serial, None)

    def due(self) -> float:
        """When the first claim has waited long enough; inf if none waits."""
        while self._ends and self._ends[0][1] not in self._claims:
            heappop(self._ends)
        return self._ends[0][0] if self._ends else float("inf")

    def take_ended(self, now: float) -> list[ClaimReady]:
        """Remove and return the claims that have waited long enough."""
        ended: list[ClaimReady] = []
        while self.due() <= now:
            ended.append(self._claims.pop(heappop(self._ends)[1]))
        return ended

    def take_all(self) -> list[ClaimReady]:
        """Remove and return every claim."""
        claims = list(self._claims.values())
        self._claims.clear()
        self._lanes.clear()
        self._ends.clear()
        return claims
