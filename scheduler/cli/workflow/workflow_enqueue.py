"""Puts a workflow into the queue so that doing it twice makes nothing twice.

A task's key is a hash of all that its file says of it and of the keys of what it waits for. The
same file finds its tasks again; an edited one makes anew what was edited and what depends on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b

from scheduler.cli.workflow.workflow import Workflow
from scheduler.cli.workflow.workflow_task import WorkflowTask
from scheduler.domain.request import BATCH_EDGES, BATCH_TASKS
from scheduler.domain.spec import TaskSpec
from scheduler.domain.task import Task
from scheduler.handle import Handle


async def enqueue_workflow(
    scheduler: Handle, workflow: Workflow, speed: float = 1.0
) -> dict[str, Task]:
    """The workflow's tasks by ref, made now or before (`existing`); `speed` is for traces.

    A workflow over the size of a batch goes in several; after a crash in between, the next
    call makes the rest.
    """
    keys = keys_of(workflow, speed)
    known: dict[str, TaskSpec | Task] = {}  # tasks of earlier parts, specs of this one
    made: dict[str, Task] = {}
    for part in _parts(workflow):
        specs: list[TaskSpec] = []
        for task in part:
            spec = _spec(task, known, workflow.name, keys[task.ref], speed)
            known[task.ref] = spec
            specs.append(spec)
        made |= zip((task.ref for task in part), await scheduler.enqueue_many(specs), strict=True)
        known |= made
    return made


def lane(group: str, task: WorkflowTask) -> str:
    """The agent_type of a task. The group is in it, so that `run` claims its own tasks only."""
    own = task.fields.get("agent_type")
    return group if own is None else f"{group}/{own}"


def keys_of(workflow: Workflow, speed: float) -> dict[str, str]:
    """The idempotency key of each task, by ref."""
    keys: dict[str, str] = {}
    for ref, task in workflow.tasks.items():
        facts = [
            workflow.name,
            None if task.runtime_s is None else speed,
            dict(task.given),
            [keys[other] for other in task.waits_for],
        ]
        text = json.dumps(facts, sort_keys=True, default=str)
        keys[ref] = f"{blake2b(text.encode(), digest_size=12).hexdigest()}:{ref}"
    return keys


def _spec(
    task: WorkflowTask,
    known: Mapping[str, TaskSpec | Task],
    group: str,
    key: str,
    speed: float,
) -> TaskSpec:
    fields = dict(task.fields)
    if task.runtime_s is not None:
        fields.setdefault("estimated_duration", task.runtime_s / speed)
    return TaskSpec(
        **fields | {"agent_type": lane(group, task)},
        prerequisites=[known[ref] for ref in task.prerequisites],
        run_after=[known[ref] for ref in task.run_after],
        group=group,
        key=key,
    )


def _parts(workflow: Workflow) -> Iterator[list[WorkflowTask]]:
    """The tasks in order, cut into lots that fit into a batch."""
    part: list[WorkflowTask] = []
    edges = 0
    for task in workflow.tasks.values():
        more = len(task.prerequisites) + len(task.run_after)
        if len(part) == BATCH_TASKS or edges + more > BATCH_EDGES:
            yield part
            part, edges = [], 0
        part.append(task)
        edges += more
    yield part
