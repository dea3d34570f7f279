"""What must be known of prerequisites before the graph may take a task in."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from actors import messages as m
from actors import refusals
from actors.messages import Post, Statuses, To
from scheduler.domain import ids
from scheduler.domain.errors import UnknownPrerequisite, UnknownTask
from scheduler.domain.task import Status, Task

Known = Mapping[int, Status | None]  # None: no such task


def unknown(tasks: Iterable[Task], open_: Container[int], known: Known) -> tuple[int, ...]:
    """Prerequisites and parents neither among the open tasks, nor in the batch, nor known."""
    linked = [task for task in tasks if task.requires or task.follows or task.parent is not None]
    if not linked:
        return ()
    batch = {task.number for task in tasks}
    missing: dict[int, None] = {}
    for task in linked:
        for number in task.requires + task.follows:
            if number not in open_ and number not in batch and number not in known:
                missing[number] = None
        parent = task.parent
        if parent is not None and parent not in open_ and parent not in known:
            missing[parent] = None
    return tuple(missing)


def look_up(missing: tuple[int, ...], known: Statuses, command: m.NeedsFacts) -> Post:
    """Ask for the statuses that the command lacks."""
    return (To.PRIORITIZER, m.LookUp(missing, command, known))


def check(task: Task, open_: Container[int], known: Known) -> None:
    """Refuse a task whose prerequisite or parent does not exist, or cannot succeed any more."""
    for number in task.requires:
        check_one(number, open_, known, must_succeed=True)
    for number in task.follows:
        check_one(number, open_, known, must_succeed=False)
    parent = task.parent
    if parent is not None and parent not in open_ and known.get(parent) is None:
        raise UnknownTask(
            "the parent does not exist",
            field="parent_id",
            received=ids.encode(parent),
            allowed="the id of a task",
            hint="Leave parent_id out, or look the id up with list.",
        )


def check_one(number: int, open_: Container[int], known: Known, *, must_succeed: bool) -> None:
    """The same for one prerequisite; one that is neither open nor known was in the batch."""
    if number in open_ or number not in known:
        return
    status = known[number]
    field = "prerequisites" if must_succeed else "run_after"
    if status is None:
        raise UnknownPrerequisite(
            "a prerequisite does not exist",
            field=field,
            received=ids.encode(number),
            allowed="ids of tasks on record",
            hint="Look the id up with list, or enqueue the prerequisite first.",
        )
    if must_succeed and status in (Status.FAILED, Status.CANCELLED):
        raise refusals.dead_prerequisite(number, status, field)
