"""`task_wait`: until tasks have finished, or until anything changes."""

from __future__ import annotations

from collections.abc import Container, Sequence

import trio

from scheduler import shapes
from scheduler.domain.views import Change
from scheduler.endpoint.toolkit import returns
from scheduler.endpoint.toolkit.arguments import Field
from scheduler.endpoint.toolkit.bounds import fitting
from scheduler.endpoint.toolkit.fields import Id, Number, Several
from scheduler.endpoint.toolkit.tool import Tool
from scheduler.endpoint.tools.claiming import ANSWER_BY, WAIT
from scheduler.endpoint.tools.looking import ROW
from scheduler.handle import Scheduler
from scheduler.shapes import Shape

STEP = 500  # changes read at a time


async def task_wait(
    scheduler: Scheduler,
    *,
    task_ids: Sequence[str] | None = None,
    since: int | None = None,
    wait_seconds: float,
) -> Shape:
    """What has changed, and the sequence to go on from."""
    seconds = min(wait_seconds, ANSWER_BY)
    if task_ids is None:
        return await _first_changes(scheduler, since, None, seconds)
    if since is None:
        await scheduler.wait(task_ids, timeout=seconds)
        return await _as_they_are(scheduler, task_ids)
    if await _finished(scheduler, task_ids):
        seconds = 0.0  # nothing more will come: only what has happened since
    found = await _first_changes(scheduler, since, frozenset(task_ids), seconds)
    return found | {"finished": await _finished(scheduler, task_ids)}


async def _finished(scheduler: Scheduler, task_ids: Sequence[str]) -> bool:
    return all(task.status.finished for task in await scheduler.wait(task_ids, timeout=0))


async def _as_they_are(scheduler: Scheduler, task_ids: Sequence[str]) -> Shape:
    """The tasks now. The sequence is read before them, so that no change falls in between."""
    sequence = (await scheduler.queue_status()).sequence
    tasks = await scheduler.wait(task_ids, timeout=0)
    rows = [shapes.compact(task) for task in tasks]
    kept = fitting(rows)
    return {
        "changed": rows[:kept],
        "finished": all(task.status.finished for task in tasks),
        "sequence": sequence,
        "has_more": kept < len(rows),
    }


async def _first_changes(
    scheduler: Scheduler, since: int | None, among: Container[str] | None, seconds: float
) -> Shape:
    """The first changes after `since`, as soon as there is one among the tasks."""
    deadline = trio.current_time() + seconds
    while True:
        left = max(0.0, deadline - trio.current_time())
        read, since = await scheduler.read_changes(since, limit=STEP, wait=left)
        changes = [change for change in read if among is None or change.task.id in among]
        if changes or trio.current_time() >= deadline:
            return _page(changes, since, has_more=len(read) == STEP)


def _page(changes: Sequence[Change], sequence: int, *, has_more: bool) -> Shape:
    """What fits into a page; if it is cut, the sequence is that of the last change in it."""
    rows = [shapes.compact(change.task) for change in changes]
    kept = fitting(rows)
    cut = kept < len(rows)
    return {
        "changed": rows[:kept],
        "sequence": changes[kept - 1].sequence if cut else sequence,
        "has_more": cut or has_more,
    }


WAIT_FOR = Tool(
    name="task_wait",
    title="Wait for tasks",
    about=(
        "Wait until something has happened, instead of asking again and again. With task_ids: "
        "until all of them have finished. With since (a sequence from task_wait or "
        "task_queue_status): until anything changed after it, among task_ids if given; no change "
        "is missed. With neither: until the next change. Not for work to do: task_claim waits "
        "for that. Returns the tasks that changed (with task_ids alone: those tasks), the "
        "sequence to go on from, and after wait_seconds what there is: if finished is false, "
        "call again."
    ),
    effect="reads",
    inputs=(
        Field("task_ids", Several(Id(), least=1), aliases=("ids", "tasks", "task_id", "id")),
        Field("since", Number(0, 2**53 - 1, whole=True), "a sequence; 0: all on record"),
        Field("wait_seconds", WAIT, default=30),
    ),
    outputs={
        "changed": returns.many(returns.fields(ROW), "in the order of their last change"),
        "finished": returns.flag("with task_ids: all of them have finished"),
        "sequence": returns.whole("pass it as since"),
        "has_more": returns.flag("more has changed: call again with this sequence"),
    },
    answer=task_wait,
)
