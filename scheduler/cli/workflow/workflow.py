"""A whole workflow: its tasks by ref, every reference resolved, in an order that works.

An error names the file, the place in it, the field and the nearest thing that exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from scheduler.cli.workflow.workflow_file import read_entries, unknown_name, wrong
from scheduler.cli.workflow.workflow_task import At, WorkflowTask, task_from
from scheduler.domain.encoding import name as check_name
from scheduler.domain.errors import DependencyCycle


class Workflow(msgspec.Struct, frozen=True):
    """The tasks by ref, every one after those it waits for, else as in the file."""

    name: str
    tasks: Mapping[str, WorkflowTask]


def read_workflow(path: Path, name: str | None = None) -> Workflow:
    """Read and check a workflow file; `name` overrides the file's own.

    Raises InvalidRequest, and DependencyCycle with the path of refs.
    """
    own_name, entries = read_entries(path)
    with At(path.name):
        check_name("name", name or own_name)
    tasks: dict[str, WorkflowTask] = {}
    for entry in entries:
        task = task_from(entry)
        if task.ref in tasks:
            raise wrong(
                entry.place,
                f"the ref is taken already, at {tasks[task.ref].place}",
                field="ref",
                received=task.ref,
                allowed="a ref that no other task has",
            )
        tasks[task.ref] = task
    _check_references(tasks)
    return Workflow(name or own_name, in_order(tasks))


def _check_references(tasks: Mapping[str, WorkflowTask]) -> None:
    for task in tasks.values():
        for ref in task.waits_for:
            if ref not in tasks:
                raise unknown_name(task.place, "ref", ref, tasks)


def in_order(tasks: Mapping[str, WorkflowTask]) -> dict[str, WorkflowTask]:
    """The tasks, each after all it waits for, else in the order given.

    Depth first and iterative: a chain of any length works. Raises DependencyCycle.
    """
    placed: dict[str, WorkflowTask] = {}
    for start in tasks:
        path: dict[str, list[str]] = {}  # refs on the way down, with what is left to visit
        ref: str | None = start if start not in placed else None
        while ref is not None:
            left = path.setdefault(ref, list(reversed(tasks[ref].waits_for)))
            while left and left[-1] in placed:
                left.pop()
            if not left:
                placed[ref] = tasks[ref]
                del path[ref]
                ref = next(reversed(path), None)
            elif left[-1] in path:
                raise _cycle(list(path), left[-1], tasks)
            else:
                ref = left[-1]
    return placed


def _cycle(path: Sequence[str], first: str, tasks: Mapping[str, WorkflowTask]) -> DependencyCycle:
    circle = list(path[path.index(first) :])
    return DependencyCycle(
        f"{tasks[first].place}: tasks wait for each other in a circle",
        path=circle,
        hint="Each waits for the next, the last for the first. Take out one of the prerequisites.",
    )
