"""Tells on stdout what happens, from the events of the scheduler."""

from __future__ import annotations

import time

from report import table

from scheduler import (
    Event,
    Status,
    Task,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskFailed,
    TaskRetrying,
)


class Narrator:
    """Tells of the tasks of one group."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._begun = time.monotonic()
        self._claims = 0

    def begin(self, report: Task) -> None:
        """The graph is in the queue."""
        if report.status is Status.COMPLETED:
            print(f"{self._group}: everything was done before", table(report.result), sep="\n")
        elif report.existing:
            print(f"{self._group}: goes on where it was")
        else:
            print(f"{self._group}: begins")

    def tell(self, event: Event) -> None:
        """A listener for `on_event`: called in the loop, so it must be quick."""
        match event:
            case TaskClaimed(task=task) if task.group == self._group:
                self._claims += 1
                self._say(
                    "begins", task, f"by {task.holder}" if task.agent_type == "reviewer" else ""
                )
            case TaskCompleted(task=task, seconds=seconds) if task.group == self._group:
                self._say("done", task, f"{seconds:.2f} s")
            case TaskRetrying(task=task) if task.group == self._group:
                self._say("again", task, first_line(task))
            case TaskFailed(task=task) if task.group == self._group:
                self._say("FAILED", task, first_line(task))
            case TaskCancelled(task=task) if task.group == self._group:
                self._say("cancelled", task, "")

    def end(self, code: int) -> None:
        """All is closed."""
        endings = {0: "good", 1: "not good", 130: "interrupted; run it again to go on"}
        print(f"{endings[code]}: {self._claims} steps begun in this run", flush=True)

    def _say(self, what: str, task: Task, more: str) -> None:
        seconds = time.monotonic() - self._begun
        print(f"{seconds:7.2f}  {what:<9}  {task.summary}  {more}".rstrip(), flush=True)


def first_line(task: Task) -> str:
    """Why the last attempt failed, in short."""
    return (task.error or "").partition("\n")[0]
