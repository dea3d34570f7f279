"""How tasks in the resolver's graph are changed from outside: update and add_prerequisites.

A task that the prioritizer held comes withdrawn, inside the command, and goes back to it when
the command is done or refused.
"""

from __future__ import annotations

from msgspec.structs import replace

from actors import commands as c
from actors import messages as m
from actors import prerequisites
from actors.dependencies import Dependencies
from actors.messages import Entry, Post, Statuses, To
from actors.reply import Reply
from scheduler.domain import lifecycle
from scheduler.domain.errors import DependencyCycle, TooLarge
from scheduler.domain.request import PREREQUISITES
from scheduler.domain.task import Status, Task

MOST_HOPS = 4  # a command goes back and forth at most so often before nobody holds its task


def update(dependencies: Dependencies, command: c.Update, now: float) -> list[Post]:
    """Set facts of a task that is held here, or was withdrawn for this command."""
    task = command.task or dependencies.held.get(command.number)
    if task is None:
        return pass_on(dependencies, command, "be updated")
    task = lifecycle.revise(task, **command.changes)
    if task.status is not Status.BLOCKED:
        task = lifecycle.open_at(task, now)
    dependencies.graph.revise(task)
    return _rewritten(dependencies, task, command.reply)


def add_prerequisites(
    dependencies: Dependencies, command: c.AddPrerequisites, statuses: Statuses, now: float
) -> list[Post]:
    """Insert edges, if they close no cycle, into a task that is held here or was withdrawn."""
    number = command.number
    if command.task is not None:
        dependencies.held[number] = command.task
        command = replace(command, task=None)
    task = dependencies.held.get(number)
    if task is None:
        return pass_on(dependencies, command, "wait for more")
    requires, follows = _added(task, command)
    probe = replace(task, requires=requires, follows=follows, parent=None)
    missing = prerequisites.unknown([probe], dependencies.graph, statuses)
    if missing:
        return [prerequisites.look_up(missing, statuses, command)]
    prerequisites.check(probe, dependencies.graph, statuses)
    again = _met_and_open(dependencies, task, requires + follows)
    dependencies.graph.connect(number, requires, follows + again)
    task = lifecycle.revise(task, requires=task.requires + requires, follows=task.follows + follows)
    if dependencies.graph.open_prerequisites(number):
        task = lifecycle.block(task)
    else:
        task = lifecycle.open_at(task, now)
    return _rewritten(dependencies, task, command.reply)


def _met_and_open(
    dependencies: Dependencies, task: Task, added: tuple[int, ...]
) -> tuple[int, ...]:
    """What the task had waited for and was re-opened since: if it is blocked again, so is that.

    The record cannot tell that it was met once; after a restart it would wait for it anyway.
    """
    graph = dependencies.graph
    if not any(number in graph for number in added):
        return ()
    return tuple(number for number in task.follows if number in graph)


def _rewritten(dependencies: Dependencies, task: Task, reply: Reply[list[Task]]) -> list[Post]:
    """Pass a changed task on, to the prioritizer's hands unless it is BLOCKED."""
    entry = Entry(task, dependencies.graph.facts(task.number))
    blocked = task.status is Status.BLOCKED
    if blocked:
        dependencies.held[task.number] = task
    else:
        dependencies.held.pop(task.number, None)
    resolved = m.Resolved(
        handed=[] if blocked else [entry],
        kept=[entry] if blocked else [],
        nature="rewritten",
        answers=[m.TasksMade(reply, [task.number])],
    )
    return [(To.PRIORITIZER, resolved)]


def give_back(dependencies: Dependencies, number: int) -> list[Post]:
    """A withdrawn task whose command was refused goes back to the prioritizer."""
    task = dependencies.held.get(number)
    if task is None or task.status is Status.BLOCKED:
        return []
    del dependencies.held[number]
    return [(To.PRIORITIZER, m.Returned(Entry(task, dependencies.graph.facts(number))))]


def pass_on(
    dependencies: Dependencies, command: c.Cancel | c.Update | c.AddPrerequisites, wish: str
) -> list[Post]:
    """The task may be on its way to the prioritizer: this message arrives after it."""
    if command.hops < MOST_HOPS and command.number in dependencies.graph:
        return [(To.PRIORITIZER, replace(command, hops=command.hops + 1))]
    return [(To.PRIORITIZER, m.NotHeld(command.number, wish, command.reply))]


def _added(task: Task, command: c.AddPrerequisites) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What the command adds to the prerequisites that the task has."""
    if task.number in command.requires + command.follows:
        raise DependencyCycle("a task cannot wait for itself", path=[task.id], field="task_id")
    requires = tuple(n for n in command.requires if n not in task.requires)
    known = {*task.requires, *task.follows, *requires}
    follows = tuple(n for n in command.follows if n not in known)
    if len(known) + len(follows) > PREREQUISITES:
        raise TooLarge(
            "too many prerequisites for one task",
            field="prerequisites",
            received=len(known) + len(follows),
            allowed=f"up to {PREREQUISITES:,}",
            hint="Put a task in between that waits for a part of them.",
        )
    return requires, follows
