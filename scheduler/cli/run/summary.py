"""What a run amounts to in the end, and how near it came to the best that is possible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from scheduler.cli.run.runner import Event
from scheduler.cli.workflow.workflow import Workflow
from scheduler.domain.task import Status, Task


class Opening(msgspec.Struct, frozen=True):
    """What is known when a run begins. `done_before`: completed by earlier runs."""

    workflow: str
    tasks: int
    workers: int
    database: str
    durability: str
    resumed: bool
    done_before: int
    paused: tuple[str, ...] = ()


class Failure(msgspec.Struct, frozen=True):
    """A task that failed, or was cancelled on its own account."""

    ref: str
    task_id: str
    status: Status
    error: str


class Summary(msgspec.Struct, frozen=True):
    """The result of a run. Times in seconds.

    `seconds` is all of it, `makespan_seconds` from the first start to the last end. No order
    of the same work can take less than `lower_bound_seconds`, the maximum of the longest chain
    and all work divided by the workers; None for a run that did not reach its end.
    """

    workflow: str
    database: str
    tasks: int
    completed: int
    failed: int
    cancelled: int
    done_before: int
    interrupted: bool
    seconds: float
    makespan_seconds: float
    lower_bound_seconds: float | None
    tasks_per_second: float
    failures: tuple[Failure, ...]

    @property
    def left(self) -> int:
        """Tasks that have not ended."""
        return self.tasks - self.completed - self.failed - self.cancelled


class Chronicle:
    """Remembers how long each job of a run took, and when."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._first: float | None = None
        self._last = 0.0

    def note(self, event: Event, now: float) -> None:
        """Take in what happened; a replayed job took as long as was recorded."""
        if event.kind == "started":
            self._first = now if self._first is None else self._first
            return
        self._last = now
        if event.kind not in ("completed", "failed", "retrying"):
            return
        took = event.seconds if event.job.command is not None else event.job.sleep
        self._seconds[event.job.ref] = self._seconds.get(event.job.ref, 0.0) + took

    @property
    def jobs(self) -> int:
        """How many have ended, or ended one attempt."""
        return len(self._seconds)

    @property
    def makespan(self) -> float:
        """Seconds from the first start to the last end."""
        return 0.0 if self._first is None else self._last - self._first

    def lower_bound(self, workflow: Workflow, workers: int) -> float:
        """The least time that these jobs can take in any order."""
        chains: dict[str, float] = {}
        for ref, task in workflow.tasks.items():
            before = max((chains[other] for other in task.waits_for), default=0.0)
            chains[ref] = before + self._seconds.get(ref, 0.0)
        return max(*chains.values(), sum(self._seconds.values()) / workers)


def summarize(
    opening: Opening,
    workflow: Workflow,
    tasks: Mapping[str, Task],
    chronicle: Chronicle,
    *,
    seconds: float,
    interrupted: bool,
) -> Summary:
    """The summary of a run; `tasks` by ref as they stand at its end."""
    counts = dict.fromkeys(Status, 0)
    for task in tasks.values():
        counts[task.status] += 1
    makespan = chronicle.makespan
    return Summary(
        workflow=workflow.name,
        database=opening.database,
        tasks=len(tasks),
        completed=counts[Status.COMPLETED],
        failed=counts[Status.FAILED],
        cancelled=counts[Status.CANCELLED],
        done_before=opening.done_before,
        interrupted=interrupted,
        seconds=seconds,
        makespan_seconds=makespan,
        lower_bound_seconds=None
        if interrupted
        else chronicle.lower_bound(workflow, opening.workers),
        tasks_per_second=chronicle.jobs / makespan if makespan else 0.0,
        failures=tuple(_failures(tasks)),
    )


def _failures(tasks: Mapping[str, Task]) -> Iterator[Failure]:
    for ref, task in tasks.items():
        fell_with_another = task.cause is not None
        if task.status in (Status.FAILED, Status.CANCELLED) and not fell_with_another:
            yield Failure(ref, task.id, task.status, task.error or str(task.status))
