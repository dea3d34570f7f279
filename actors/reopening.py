"""How tasks on record come back into the resolver's graph: by retry, and after a restart."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from msgspec.structs import replace

from actors import commands as c
from actors import messages as m
from actors import refusals
from actors.dependencies import Dependencies
from actors.messages import Entry, Post, To
from persistence.store import Loaded
from scheduler.domain import ids, lifecycle, ordering
from scheduler.domain.durations import Durations
from scheduler.domain.errors import DependencyCycle, IllegalTransition
from scheduler.domain.task import Status, Task

DEAD = (Status.FAILED, Status.CANCELLED)


def retry(dependencies: Dependencies, command: c.Retry) -> list[Post]:
    """A finished task is on record: ask for it, and for what fell with it."""
    number = command.number
    if number not in dependencies.graph:
        return [(To.PRIORITIZER, m.FindFallen(command))]
    raise IllegalTransition(
        f"task {ids.encode(number)} has not finished",
        field="task_id",
        received=ids.encode(number),
        allowed="failed and cancelled tasks",
        hint="It needs no retry; explain says what it waits for.",
    )


def reopen(dependencies: Dependencies, message: m.FallenFound, now: float) -> list[Post]:
    """Re-open the root and, prerequisites first, what fell with it and can succeed again."""
    command = message.retry
    if not message.tasks:
        raise refusals.unknown_task(command.number)
    if command.number in dependencies.graph:
        return retry(dependencies, command)
    reopened = _reopenable(dependencies, message)
    dependencies.check_room(len(reopened))
    tasks = list(reopened.values())
    dependencies.graph.admit(tasks)
    _wait_again(dependencies, reopened)
    handed, kept = dependencies.place(tasks, now, lifecycle.open_at)
    answer = m.TasksMade(command.reply, list(reopened))
    was = {task.number: task.status for task in message.tasks if task.number in reopened}
    resolved = m.Resolved(handed=handed, kept=kept, reopened=was, answers=[answer])
    return [(To.PRIORITIZER, resolved)]


def _wait_again(dependencies: Dependencies, reopened: Mapping[int, Task]) -> None:
    """Let BLOCKED tasks that had seen one of these end wait for it once more. O(BLOCKED tasks).

    After a restart they would: the record holds what a task waits for, not what was met once.
    Raises DependencyCycle and changes nothing.
    """
    graph = dependencies.graph
    try:
        for task in dependencies.held.values():
            again = [number for number in task.follows if number in reopened]
            if again and task.status is Status.BLOCKED:
                graph.connect(task.number, (), again)
    except DependencyCycle:
        graph.settle_many([(number, True) for number in reopened])
        raise


def _reopenable(dependencies: Dependencies, message: m.FallenFound) -> dict[int, Task]:
    """The re-opened tasks by number, prerequisites first."""
    command = message.retry
    found = {task.number: task for task in message.tasks}
    root = found.pop(command.number)
    reopened = {root.number: lifecycle.reopen(root)}  # refuses one that completed
    dead = {number for number, status in message.statuses.items() if status in DEAD}
    obstacle = _obstacle(root, dependencies, dead)
    if obstacle is not None:
        raise refusals.dead_prerequisite(obstacle, message.statuses[obstacle])
    dead.discard(root.number)
    for number in _prerequisites_first(found) if command.cascade else ():
        task = found[number]
        if number in dependencies.graph or _obstacle(task, dependencies, dead) is not None:
            continue  # open already, or something else holds it down as well
        reopened[number] = lifecycle.reopen(task)
        dead.discard(number)
    return reopened


def _prerequisites_first(tasks: Mapping[int, Task]) -> Iterator[int]:
    within = {
        number: [other for other in task.requires + task.follows if other in tasks]
        for number, task in tasks.items()
    }
    try:
        return iter(tuple(TopologicalSorter(within).static_order()))
    except CycleError as error:  # one was let run after another that had fallen before
        raise ordering.cycle(error.args[1][:0:-1]) from None


def _obstacle(task: Task, dependencies: Dependencies, dead: Container[int]) -> int | None:
    """A prerequisite that cannot succeed any more; one that was pruned had been met."""
    graph = dependencies.graph
    return next((n for n in task.requires if n in dead and n not in graph), None)


def recover(dependencies: Dependencies, message: m.Recover, now: float) -> list[Post]:
    """Take in what the store held, and derive anew what the status of each task must be."""
    loaded = message.loaded
    dependencies.durations = Durations(loaded.durations)
    dependencies.graph.admit([_as_it_waits(task) for task in loaded.tasks])
    tasks = {task.number: task for task in loaded.tasks}
    ended = _fall(dependencies, tasks, loaded, now)
    handed: list[Entry] = []
    kept: list[Entry] = []
    changed = {task.number for task in ended}
    for number, task in tasks.items():
        derived = _derive(dependencies, task, now)
        if derived is not task:
            changed.add(number)
        entry = Entry(derived, dependencies.graph.facts(number))
        if derived.status is Status.BLOCKED:
            dependencies.held[number] = derived
            kept.append(entry)
        else:
            handed.append(entry)
    recovered = m.Recovered(
        handed, kept, ended, changed, loaded.paused, loaded.limits, message.reply
    )
    return [(To.PRIORITIZER, recovered)]


def _as_it_waits(task: Task) -> Task:
    """What was met stays met as long as the task is open, also if it was re-opened since."""
    if task.status is Status.BLOCKED or not (task.requires or task.follows):
        return task
    return replace(task, requires=(), follows=())


def _derive(dependencies: Dependencies, task: Task, now: float) -> Task:
    if task.status is not Status.BLOCKED or not dependencies.graph.is_open(task.number):
        return task
    return lifecycle.open_at(task, now)


def _fall(
    dependencies: Dependencies, tasks: dict[int, Task], loaded: Loaded, now: float
) -> list[Task]:
    """Cancel the tasks whose prerequisite is dead on record, and what depends on them."""
    dead = {number for number, status in loaded.outside.items() if status in DEAD}
    ended: list[Task] = []
    for number, task in list(tasks.items()) if dead else ():
        root = next((other for other in task.requires if other in dead), None)
        if root is None or number not in tasks or task.status is not Status.BLOCKED:
            continue
        reason = f"prerequisite {ids.encode(root)} {loaded.outside[root]}"
        fallen = dependencies.graph.settle(number, succeeded=False).fallen
        ended += [
            lifecycle.cancel(tasks.pop(gone), now, reason, root) for gone in (number, *fallen)
        ]
    return ended
