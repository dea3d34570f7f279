"""Counts what a run has done, and estimates when it will be over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from scheduler.cli.run.runner import Event
from scheduler.domain.task import Status, Task


class Running(NamedTuple):
    """A job in work."""

    summary: str
    since: float


class Tally:
    """How far a workflow is. Times are seconds of one clock.

    Counts include what was finished before the run began. The estimate of the time left goes
    by the work done since: seconds if those of every task are known (`timed`), else tasks.
    """

    def __init__(self, tasks: Iterable[Task], *, timed: bool, now: float) -> None:
        self._started = now
        self._work_done = 0.0
        self._open: dict[str, float] = {}  # the work in unfinished tasks, by id
        self.counts = dict.fromkeys((Status.COMPLETED, Status.FAILED, Status.CANCELLED), 0)
        self.running: dict[str, Running] = {}  # by ref
        for task in tasks:
            if task.status.finished:
                self.counts[task.status] += 1
            else:
                self._open[task.id] = max(task.estimated_duration, 1e-3) if timed else 1.0
        self.total = len(self._open) + self.finished

    @property
    def finished(self) -> int:
        """Tasks that have ended, however."""
        return sum(self.counts.values())

    def note(self, event: Event, now: float) -> None:
        """Take in what happened to a job."""
        if event.kind == "started":
            self.running[event.job.ref] = Running(event.task.summary, now)
            return
        self.running.pop(event.job.ref, None)
        if event.task.status.finished and event.kind in ("completed", "failed"):
            self._end(event.task.id, event.task.status)
        for fallen in event.fallen:
            self._end(fallen, Status.CANCELLED)

    def _end(self, task_id: str, status: Status) -> None:
        work = self._open.pop(task_id, None)
        if work is not None:  # else a task of somebody else fell with ours
            self.counts[status] += 1
            self._work_done += work

    def seconds_left(self, now: float) -> float | None:
        """At the pace so far; None before the first task has ended."""
        if not self._work_done:
            return None
        return (now - self._started) * sum(self._open.values()) / self._work_done
