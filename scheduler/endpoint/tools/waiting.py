"""`task_wait`: until tasks have finished, or until anything changes."""

from __future__ import annotations

from collections.abc import Container, Sequence
from math import inf

import trio

from scheduler import shapes
from scheduler.endpoint.toolkit import returns
from scheduler.endpoint.toolkit.arguments import Field
from scheduler.endpoint.toolkit.bounds import SLICE, Rows, slices
from scheduler.endpoint.toolkit.fields import Id, Number, Several
from scheduler.endpoint.toolkit.tool import Tool
from scheduler.endpoint.tools.claiming import ANSWER_BY, WAIT, over
from scheduler.endpoint.tools.looking import ROW
from scheduler.handle import Handle
from scheduler.shapes import Shape

CHANGES = 500  # looked at for one answer


async def task_wait(
    scheduler: Handle,
    *,
    task_ids: Sequence[str] | None = None,
    since: int | None = None,
    wait_seconds: float,
) -> Shape:
    """What has changed, and the sequence to go on from."""
    deadline = trio.current_time() + min(wait_seconds, ANSWER_BY)
    if task_ids is None:
        return await _first_changes(scheduler, since, None, deadline)
    ids = tuple(dict.fromkeys(task_ids))
    finished = await _finished(scheduler, ids)
    if since is None:
        if not finished:
            await _until_finished(scheduler, ids, deadline)
        return await _as_they_are(scheduler, ids)
    if finished:
        deadline = -inf  # nothing more will come: only what has happened since
    found = await _first_changes(scheduler, since, frozenset(ids), deadline)
    return found | {"finished": await _finished(scheduler, ids)}


async def _finished(scheduler: Handle, ids: Sequence[str]) -> bool:
    """Whether all of them have. Raises UnknownTask."""
    finished = True
    for part in slices(ids):
        tasks = await scheduler.wait(part, timeout=0)
        finished = finished and all(task.status.finished for task in tasks)
    return finished


async def _until_finished(scheduler: Handle, ids: Sequence[str], deadline: float) -> None:
    for part in slices(ids):
        left = deadline - trio.current_time()
        if left > 0:
            await scheduler.wait(part, timeout=left)


async def _as_they_are(scheduler: Handle, ids: Sequence[str]) -> Shape:
    """The tasks now. The sequence is read before them, so that no change falls in between."""
    sequence = (await scheduler.queue_status()).sequence
    rows, finished = Rows(len(ids)), True
    for part in slices(ids):
        tasks = await scheduler.wait(part, timeout=0)
        finished = finished and all(task.status.finished for task in tasks)
        rows.take([shapes.compact(task) for task in tasks])
    return {
        "changed": rows.taken,
        "finished": finished,
        "sequence": sequence,
        "has_more": len(rows.taken) < len(ids),
    }


async def _first_changes(
    scheduler: Handle, since: int | None, among: Container[str] | None, deadline: float
) -> Shape:
    """The first changes after `since`, as soon as there is one among the tasks.

    If a page cannot hold them, the sequence is that of the last change in it.
    """
    rows = Rows(CHANGES)
    looked_at = 0
    while True:
        left = max(0.0, deadline - trio.current_time())
        before = since
        read, since = await scheduler.read_changes(
            since, limit=SLICE, wait=0.0 if rows.taken else left
        )
        changes = [change for change in read if among is None or change.task.id in among]
        kept = rows.take([shapes.compact(change.task) for change in changes])
        if kept < len(changes):
            since = changes[kept - 1].sequence if kept else before
            return {"changed": rows.taken, "sequence": since, "has_more": True}
        looked_at += len(read)
        more = len(read) == SLICE
        enough = looked_at >= CHANGES or not more
        if enough and (rows.taken or over(deadline)):
            return {"changed": rows.taken, "sequence": since, "has_more": more}


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
    waits=True,
)
