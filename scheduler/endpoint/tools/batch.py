"""`task_enqueue_many`: a whole graph in one call, whose tasks name each other by `ref`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from scheduler.domain.errors import SchedulerError
from scheduler.domain.task import Task
from scheduler.endpoint.toolkit import arguments, returns
from scheduler.endpoint.toolkit.arguments import Field
from scheduler.endpoint.toolkit.bounds import PAGE_BYTES, leading, size
from scheduler.endpoint.toolkit.fields import (
    Flag,
    Schema,
    Several,
    Word,
    decode_json,
    listed,
    wrong,
)
from scheduler.endpoint.toolkit.task_fields import NEW_TASK
from scheduler.endpoint.toolkit.tool import Tool
from scheduler.endpoint.tools import drafts
from scheduler.endpoint.tools.drafts import Draft
from scheduler.handle import Handle
from scheduler.shapes import Shape

LINKS = {
    "prerequisites": Field(
        "prerequisites", Several(Word()), "refs of this call, or ids, that must succeed first"
    ),
    "run_after": Field("run_after", Several(Word()), "refs or ids that must only end first"),
}
REF = Field("ref", Word(), "the name of the task in this call; default: its place, from 0")
ITEM = {field.name: field for field in (REF, *(LINKS.get(field.name, field) for field in NEW_TASK))}


class Drafts(msgspec.Struct, frozen=True):
    """A list of tasks to be made."""

    @property
    def allowed(self) -> str:
        return "a list of objects, each the fields of a task"

    def schema(self) -> Schema:
        return {"type": "array", "items": arguments.schema_of(ITEM.values())}

    def parse(self, value: Any, field: str) -> list[Draft]:
        drafts: list[Draft] = []
        for place, item in enumerate(_items(value, field)):
            at = f"{field}[{place}]"
            if isinstance(item, str):
                item = decode_json(item)
            if not isinstance(item, Mapping):
                raise wrong(at, item, "an object with the fields of a task")
            fields = arguments.parse(ITEM, item, "a task", f"{at}.")
            drafts.append(Draft(at, fields.pop("ref", str(place)), fields))
        if not drafts:
            raise wrong(field, value, "a list of one or more tasks")
        return drafts


def _items(value: Any, field: str) -> Sequence[Any]:
    """The tasks; one alone, or a JSON text of them, will do."""
    if isinstance(value, str):
        value = decode_json(value)
    return [value] if isinstance(value, Mapping) else listed(value, field)


async def task_enqueue_many(scheduler: Handle, *, tasks: Sequence[Draft], dry_run: bool) -> Shape:
    """Make the whole graph, or nothing of it."""
    batches = drafts.check(tasks)
    if dry_run:
        await drafts.check_links(scheduler, tasks)
        return _rehearsed(len(tasks), batches)
    try:
        made = await scheduler.enqueue_many(drafts.specs(tasks))
    except SchedulerError as error:
        drafts.place(error, tasks)
        raise
    return _made([draft.ref for draft in tasks], made)


def _rehearsed(total: int, batches: Sequence[Sequence[str]]) -> Shape:
    room, kept = PAGE_BYTES, []
    for batch in batches:
        part = leading(batch, room)
        if not part:
            break
        kept.append(list(part))
        room -= size(part) + 1
    return {
        "dry_run": True,
        "total_tasks": total,
        "task_ids": {},
        "existing": [],
        "total_existing": 0,
        "batches": kept,
        "total_batches": len(batches),
        "truncated": sum(map(len, kept)) < total,
    }


def _made(refs: Sequence[str], made: Sequence[Task]) -> Shape:
    existing = [ref for ref, task in zip(refs, made, strict=True) if task.existing]
    told = list(leading(existing, PAGE_BYTES // 4))
    pairs = [(ref, task.id) for ref, task in zip(refs, made, strict=True)]
    task_ids = dict(leading(pairs, PAGE_BYTES - size(told)))
    return {
        "dry_run": False,
        "total_tasks": len(made),
        "task_ids": task_ids,
        "existing": told,
        "total_existing": len(existing),
        "truncated": len(task_ids) < len(made) or len(told) < len(existing),
    }


ENQUEUE_MANY = Tool(
    name="task_enqueue_many",
    title="Enqueue a graph",
    about=(
        "Put a whole graph of tasks into the queue, all or nothing. Give each a ref and name "
        "refs of the call, or ids of tasks that are there, in prerequisites and run_after. Use it "
        "for a plan of several tasks; for one alone task_enqueue. With dry_run nothing is made: "
        "fields, refs, ids and cycles are checked (known keys are not), and batches says what "
        "could run side by side. To repeat the call, give every task a key: one without is made "
        "anew, and what waits for it then asks for something else. Returns ids by ref; a cycle "
        "is refused with its path of refs."
    ),
    effect="adds",
    inputs=(
        Field("tasks", Drafts(), "up to 10,000", required=True),
        Field("dry_run", Flag(), default=False),
    ),
    outputs={
        "task_ids": returns.mapping(
            returns.text(), "ids by ref, the first that a page holds; empty after a dry_run"
        ),
        "total_tasks": returns.whole(),
        "existing": returns.many(returns.text(), "refs whose key was known: not made anew"),
        "dry_run": returns.flag(),
        "total_existing": returns.whole(),
        "batches": returns.many(returns.many(returns.text()), "of refs, with dry_run"),
        "total_batches": returns.whole("with dry_run"),
        "truncated": returns.flag(
            "task_ids, existing or batches were cut, nothing else: task_list with the group of "
            "the tasks, and fields=key, has the other ids"
        ),
    },
    answer=task_enqueue_many,
    makes_tasks=True,
)
