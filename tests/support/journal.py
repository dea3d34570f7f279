"""Tasks for the tests of stores, and a journal that writes them as the persister would."""

from __future__ import annotations

from typing import Any

from msgspec.structs import astuple

from persistence.store import Batch, Store
from scheduler.domain.task import COLUMNS, FINISHED, UNFINISHED, Status, Task

CREATED = 1_800_000_000.0  # Unix seconds


def make_task(number: int, status: Status = Status.READY, **fields: Any) -> Task:
    """A task with everything that its status calls for; `fields` of Task override."""
    facts: dict[str, Any] = {
        "description": f"Task {number}",
        "summary": f"Task {number}",
        "source": "human",
        "agent_type": "builder",
        "base_priority": 5,
        "deadline_s": None,
        "estimated_duration": 60.0,
        "payload_json": None,
        "key": None,
        "request_hash": None,
        "group": None,
        "parent": None,
        "max_attempts": 3,
        "timeout": None,
        "limit_key": None,
        "traceparent": None,
        "created_s": CREATED + number,
    }
    if status is Status.READY:
        facts["ready_s"] = CREATED
    if status is Status.SCHEDULED:
        facts["not_before_s"] = CREATED + 3_600.0
    if status is Status.RUNNING:
        facts |= {"holder": "worker", "token": "t" * 32, "lease_s": 300.0, "attempt": 1}
        facts |= {"started_s": CREATED, "lease_expires_s": CREATED + 300.0}
    if status not in UNFINISHED:
        facts["finished_s"] = CREATED + number
    return Task(number, **(facts | {"status": status} | fields))


def facts(task: Task) -> tuple[object, ...]:
    """A task as a value: tasks are compared by identity, and their edges have no order."""
    columns = astuple(task)[: len(COLUMNS)]
    return (*columns, frozenset(task.requires), frozenset(task.follows))


class Journal:
    """Commits changes to a store, keeping sequence and counts as the persister does."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.sequence = 0
        self.tasks: dict[int, Task] = {}
        self.batch = Batch()

    def insert(self, *tasks: Task) -> Journal:
        for task in tasks:
            self.batch.insert(task, self._record(task))
        return self

    def move(self, *tasks: Task) -> Journal:
        for task in tasks:
            self.batch.move(task, self._record(task))
        return self

    def rewrite(self, *tasks: Task) -> Journal:
        for task in tasks:
            self.batch.rewrite(task, self._record(task))
        return self

    def touch(self, *tasks: Task) -> Journal:
        for task in tasks:
            self.batch.touch(task)
            self.tasks[task.number] = task
        return self

    def _record(self, task: Task) -> int:
        self.tasks[task.number] = task
        self.sequence += 1
        return self.sequence

    def write(self) -> Batch:
        """Write what gathered, without a commit."""
        batch, self.batch = self.batch, Batch()
        batch.sequence = self.sequence
        batch.finished = dict.fromkeys(FINISHED, 0)
        for task in self.tasks.values():
            if task.status in FINISHED:
                batch.finished[task.status] += 1
        for _ in self.store.write(batch):
            pass
        return batch

    def commit(self) -> None:
        """Write what gathered, and commit it."""
        self.write()
        self.store.commit()
