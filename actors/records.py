"""What the persister remembers of every unfinished task, and the numbers of the queue.

Reads that can be answered from here need no disk. It grows with the unfinished tasks, never
with the history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime

from actors.lanes import Lanes
from persistence.store import Loaded
from scheduler.domain.task import FINISHED, PENDING, Status, Task, moment


class Records:
    """The latest value of each unfinished task, and counters that never need a count(*)."""

    def __init__(self) -> None:
        self.tasks: dict[int, Task] = {}
        self.lanes = Lanes(self.tasks)
        self.counts: dict[Status, int] = dict.fromkeys(Status, 0)
        self._finished_on_record: dict[Status, int] = {}
        self.paused: set[str] = set()
        self.sequence = 0  # of the newest change recorded
        self.saved_sequence = 0  # of the newest one saved
        self.pruned_sequence = 0
        self._depths: Counter[int] = Counter()
        self._priorities = 0.0
        self._out_of_order = False

    def load(self, loaded: Loaded) -> None:
        """Start from what a store holds."""
        self.tasks.update((task.number, task) for task in loaded.tasks)
        for task in loaded.tasks:
            self.lanes.add(task)
        self.counts |= loaded.finished
        self.counts |= Counter(task.status for task in loaded.tasks)
        self._finished_on_record = dict(loaded.finished)
        self.paused = set(loaded.paused)
        self.sequence = self.saved_sequence = loaded.sequence
        self.pruned_sequence = loaded.pruned_sequence
        self._depths = Counter(task.dependency_depth for task in loaded.tasks)
        self._priorities = sum(task.priority for task in loaded.tasks)

    def record(self, task: Task, was: Status | None = None) -> int:
        """Take in a changed task and return the number of the change.

        `was` is the status of one that had finished; None for a new one.
        """
        number = task.number
        old = self.tasks.get(number)
        if old is not None:
            self.counts[old.status] -= 1
            self.lanes.remove(old)
            self._priorities -= old.priority
        else:
            self._depths[task.dependency_depth] += 1
            if was is not None:
                self.counts[was] -= 1
                self._out_of_order = True  # an old task stands behind younger ones now
        status = task.status
        self.counts[status] += 1
        if status in FINISHED:
            self.tasks.pop(number, None)
            self._depths[task.dependency_depth] -= 1
            if not self._depths[task.dependency_depth]:
                del self._depths[task.dependency_depth]
        else:
            self.tasks[number] = task
            self.lanes.add(task)
            self._priorities += task.priority
        self.sequence += 1
        return self.sequence

    def touch(self, task: Task) -> bool:
        """Take in a heartbeat or a new score; False if the task has changed since."""
        old = self.tasks.get(task.number)
        if old is None or old.revision != task.revision:
            return False
        self._priorities += task.priority - old.priority
        self.tasks[task.number] = task
        return True

    def set_paused(self, paused: Mapping[str, bool]) -> None:
        """Lanes were stopped or let on: a change, though of no task."""
        self.sequence += 1
        for lane, stopped in paused.items():
            (self.paused.add if stopped else self.paused.discard)(lane)

    def forget(self, removed: Mapping[Status, int], sequence: int) -> None:
        """Finished tasks were pruned."""
        for status, count in removed.items():
            self.counts[status] -= count
            self._finished_on_record[status] -= count
        self.pruned_sequence = max(self.pruned_sequence, sequence)

    def finished_unsaved(self, doubtful: Collection[Status] = ()) -> dict[Status, int]:
        """The counters that the store has to be told: those of the unfinished it can count.

        `doubtful` are told in any case: they were in a commit that failed, which the store may
        have carried out all the same.
        """
        known = self._finished_on_record
        return {s: self.counts[s] for s in FINISHED if s in doubtful or self.counts[s] != known[s]}

    def saved(self, finished: Mapping[Status, int], sequence: int) -> None:
        """Counters and the newest change have reached the store."""
        self._finished_on_record |= finished
        self.saved_sequence = sequence

    @property
    def avg_priority(self) -> float:
        return self._priorities / len(self.tasks) if self.tasks else 0.0

    @property
    def max_depth(self) -> int:
        return max(self._depths, default=0)

    @property
    def oldest_pending(self) -> datetime | None:
        """When the oldest task that waits was made."""
        waiting = (task.created_s for task in self.tasks.values() if task.status in PENDING)
        oldest = min(waiting, default=None) if self._out_of_order else next(waiting, None)
        return None if oldest is None else moment(oldest)
