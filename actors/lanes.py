"""What stands in each lane: how many tasks of each status, which ones run, what starts next.

Part of the persister's record, brought up to date with every change, so that questions about a
lane need not look at its tasks. A lane without unfinished tasks is forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from heapq import heapify, heappop, heappush, nsmallest
from math import inf

from scheduler.domain.task import Status, Task, moment, optional_moment
from scheduler.domain.views import Idle, RunningLease

FEW = 64  # outdated starts are kept as long as they are not more
SHOWN_LEASES = 20
SHOWN_LANES = 20


class Lanes:
    """See the module. `tasks` are the unfinished ones, by number, kept by the owner.

    A change is told with `remove` of the old value and `add` of the new one.
    """

    def __init__(self, tasks: Mapping[int, Task]) -> None:
        self._tasks = tasks
        self.counts: dict[str, dict[Status, int]] = {}  # above zero
        self.running: set[int] = set()
        self._starts: dict[str, list[tuple[float, int]]] = {}  # heaps; an entry may be outdated

    def add(self, task: Task) -> None:
        """An unfinished task stands in its lane. O(1), for a scheduled one O(log n)."""
        status = task.status
        lane = self.counts.get(task.agent_type)
        if lane is None:
            lane = self.counts[task.agent_type] = {}
        lane[status] = lane.get(status, 0) + 1
        if status is Status.RUNNING:
            self.running.add(task.number)
        elif status is Status.SCHEDULED:
            self._add_start(task, lane[status])

    def remove(self, task: Task) -> None:
        """It no longer does. O(1)."""
        status = task.status
        lane = self.counts[task.agent_type]
        if lane[status] > 1:
            lane[status] -= 1
        else:
            del lane[status]
            if not lane:
                del self.counts[task.agent_type]
                self._starts.pop(task.agent_type, None)
        if status is Status.RUNNING:
            self.running.discard(task.number)

    def _add_start(self, task: Task, scheduled: int) -> None:
        assert task.not_before_s is not None
        heap = self._starts.setdefault(task.agent_type, [])
        if len(heap) > FEW + 2 * scheduled:  # mostly of tasks that have started
            heap[:] = {entry for entry in heap if self._starts_then(task.agent_type, *entry)}
            heapify(heap)
        heappush(heap, (task.not_before_s, task.number))

    def _starts_then(self, lane: str, start: float, number: int) -> bool:
        task = self._tasks.get(number)
        return (
            task is not None
            and task.status is Status.SCHEDULED
            and task.not_before_s == start
            and task.agent_type == lane
        )

    # ------------------------------------------------------------- questions

    def leases(self) -> tuple[RunningLease, ...]:
        """The leases that expire soonest. O(running)."""
        soonest = nsmallest(
            SHOWN_LEASES, ((self._expiry(number), number) for number in self.running)
        )
        return tuple(_lease(self._tasks[number]) for _, number in soonest)

    def _expiry(self, number: int) -> float:
        expires = self._tasks[number].lease_expires_s
        assert expires is not None
        return expires

    def why_idle(
        self, wanted: Iterable[str] | None, paused: Collection[str], opens_s: float | None
    ) -> Idle:
        """Why a claim of these lanes (None: any) finds nothing. O(lanes + running).

        `opens_s`: when a limit that holds all that is ready may let a task start; inf if that
        depends on those that run; None if none does. First what waiting mends, and of that what
        comes first; then what somebody must mend.
        """
        lanes = [lane for lane in (wanted or self.counts) if lane in self.counts]
        open_ = [lane for lane in lanes if lane not in paused]
        if self._any(open_, Status.READY) and opens_s is None:
            return Idle("ready")
        expiry, start = self._first_expiry(set(open_)), self._first_start(open_)
        if self._any(open_, Status.READY) and opens_s is not None:
            until = min(opens_s, inf if expiry is None else expiry)
            return Idle("limited", None if until == inf else moment(until))
        if expiry is not None and (start is None or expiry <= start):
            return Idle("all_leased", optional_moment(expiry))
        if start is not None:
            return Idle("all_scheduled", optional_moment(start))
        if not lanes:
            return Idle("nothing_pending", open_lanes=self._fullest())
        if not open_ or self._any(lanes, Status.READY):
            return Idle("paused")
        return Idle("all_blocked")

    def _fullest(self) -> tuple[str, ...]:
        """The lanes with most unfinished tasks, those first."""
        work = [(-sum(counts.values()), lane) for lane, counts in self.counts.items()]
        return tuple(lane for _, lane in nsmallest(SHOWN_LANES, work))

    def _any(self, lanes: Iterable[str], status: Status) -> bool:
        return any(status in self.counts[lane] for lane in lanes)

    def _first_expiry(self, lanes: Collection[str]) -> float | None:
        return min(
            (self._expiry(n) for n in self.running if self._tasks[n].agent_type in lanes),
            default=None,
        )

    def _first_start(self, lanes: Iterable[str]) -> float | None:
        return min((head for lane in lanes if (head := self._head(lane)) is not None), default=None)

    def _head(self, lane: str) -> float | None:
        heap = self._starts.get(lane)
        while heap:
            if self._starts_then(lane, *heap[0]):
                return heap[0][0]
            heappop(heap)
        return None


def _lease(task: Task) -> RunningLease:
    lease = task.lease
    assert lease is not None
    return RunningLease(task.id, lease.holder, task.agent_type, lease.expires_at)
