"""What the resolver holds: the graph of unfinished tasks, the BLOCKED ones, learned durations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from actors.messages import Entry
from scheduler.domain import lifecycle
from scheduler.domain.durations import UNKNOWN, Duration, Durations
from scheduler.domain.errors import Overloaded
from scheduler.domain.graph import Graph
from scheduler.domain.task import Status, Task


class Dependencies:
    """See the module. `max_unfinished` bounds what the graph may hold."""

    def __init__(self, sources: Mapping[str, float], max_unfinished: int) -> None:
        self.graph = Graph(source_scores=sources)
        self.held: dict[int, Task] = {}
        self.durations = Durations()
        self._max_unfinished = max_unfinished

    def estimated(self, task: Task) -> Task:
        """The task with the estimate that was given, or what was learned of its agent_type."""
        if task.estimated_duration != UNKNOWN:
            return task
        return replace(task, estimated_duration=self.durations.estimate(task.agent_type))

    def has_room(self, more: int) -> bool:
        """Whether so many more tasks may be unfinished."""
        return len(self.graph) + more <= self._max_unfinished

    def check_room(self, more: int) -> None:
        """Refuse to let the graph grow over its bound."""
        if not self.has_room(more):
            raise Overloaded(
                f"{len(self.graph):,} tasks are unfinished",
                retry_after=60.0,
                allowed=f"up to {self._max_unfinished:,} unfinished tasks",
                hint="Let workers finish some, or cancel what is no longer wanted.",
            )

    def place(
        self, tasks: Iterable[Task], now: float, opened: lifecycle.Opening
    ) -> tuple[list[Entry], list[Entry]]:
        """Hand over the tasks of the graph whose prerequisites are met; keep the others."""
        handed: list[Entry] = []
        kept: list[Entry] = []
        nodes = self.graph.nodes
        for task in tasks:
            node = nodes[task.number]
            if task.status is not Status.BLOCKED:
                handed.append(Entry(task, node.facts()))
            elif node.waiting:
                new = opened is lifecycle.open_new  # of a re-opened task the depth stays as it was
                held = replace(task, dependency_depth=node.depth) if new else task
                self.held[task.number] = held
                kept.append(Entry(held, node.facts()))
            else:
                handed.append(Entry(opened(task, now), node.facts()))
        return handed, kept

    def release(self, numbers: Iterable[int], now: float) -> list[Entry]:
        """Hand over held tasks whose last prerequisite has ended."""
        return [
            Entry(lifecycle.open_at(self.held.pop(number), now), self.graph.facts(number))
            for number in numbers
        ]

    def fall(self, numbers: Sequence[int], root: Task, now: float) -> list[Task]:
        """Cancel held tasks that cannot start any more because of `root`."""
        if not numbers:
            return []
        reason = f"prerequisite {root.id} {root.status}"
        return [
            lifecycle.cancel(self.held.pop(number), now, reason, root.number) for number in numbers
        ]

    def learn(self, tasks: Iterable[Task]) -> dict[str, Duration]:
        """Take in how long completed tasks took; what changed, by agent_type."""
        learned: dict[str, Duration] = {}
        for task in tasks:
            if task.status is Status.COMPLETED and task.started_s is not None:
                assert task.finished_s is not None
                seconds = task.finished_s - task.started_s
                learned[task.agent_type] = self.durations.learn(task.agent_type, seconds)
        return learned
