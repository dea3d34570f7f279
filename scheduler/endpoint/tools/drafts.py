"""Tasks that are to be made together: what can be known to be wrong before any is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from scheduler.domain import ids
from scheduler.domain.encoding import name
from scheduler.domain.errors import (
    DependencyCycle,
    InvalidRequest,
    InvalidTask,
    PrerequisiteFailed,
    SchedulerError,
    UnknownPrerequisite,
    UnknownTask,
)
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.request import checked, checked_all
from scheduler.domain.spec import TaskSpec
from scheduler.domain.task import Status, Task
from scheduler.endpoint.toolkit.words import ascii_only, nearest
from scheduler.handle import Handle

LINKS = ("prerequisites", "run_after")
DEAD = (Status.FAILED, Status.CANCELLED)


class Draft(msgspec.Struct, frozen=True):
    """A task of a batch: where it stands in the call, its name there, its fields."""

    at: str
    ref: str
    fields: dict[str, Any]

    def links(self) -> Iterator[tuple[str, str]]:
        """Field and word of everything that it waits for."""
        for field in LINKS:
            for word in self.fields.get(field, ()):
                yield field, word


def check(drafts: Sequence[Draft]) -> list[list[str]]:
    """Refuse what is wrong by itself; the refs in generations that could run side by side."""
    by_ref: dict[str, Draft] = {}
    for draft in drafts:
        name(f"{draft.at}.ref", draft.ref)
        if by_ref.setdefault(draft.ref, draft) is not draft:
            raise InvalidTask(
                "two tasks of the call have the same ref",
                field=f"{draft.at}.ref",
                received=draft.ref,
                allowed="a ref of its own for each task",
                hint=f"Rename it: {by_ref[draft.ref].at} has it too.",
            )
    for draft in drafts:
        for field, word in draft.links():
            if word not in by_ref:
                _check_id(draft, field, word, by_ref)
    batches = _generations(drafts, by_ref)
    _check_fields(drafts)
    return batches


def _check_id(draft: Draft, field: str, word: str, by_ref: Mapping[str, Draft]) -> None:
    try:
        ids.decode(word, field)
    except InvalidRequest:
        near = nearest(word, {ref.lower(): ref for ref in by_ref})
        place = next((d.at for d in by_ref.values() if d.ref.lower() == near), None)
        raise InvalidTask(
            f"{draft.at}.{field} names neither a task of this call nor an id",
            field=f"{draft.at}.{field}",
            received=word,
            allowed="a ref of this call, or a task id",
            hint=f"Did you mean the ref of {place}?"
            if place
            else "Name a ref of this call, or look the id up with task_list.",
        ) from None


def _check_fields(drafts: Sequence[Draft]) -> None:
    """Every field as the core checks it, but with the place in the name of the field."""
    made = specs(drafts)
    places = {id(spec): place for place, spec in enumerate(made)}
    for draft, spec in zip(drafts, made, strict=True):
        try:
            checked(spec, places)
        except InvalidRequest as error:
            error.field = f"{draft.at}.{error.field}"
            raise
    _check_keys(drafts)
    checked_all(made, SOURCE_SCORES)  # what concerns the batch as a whole


def _check_keys(drafts: Sequence[Draft]) -> None:
    by_key: dict[str, Draft] = {}
    for draft in drafts:
        key = draft.fields.get("key")
        if key is not None and (other := by_key.setdefault(key, draft)) is not draft:
            raise InvalidTask(
                "two tasks of the call have the same key",
                field=f"{draft.at}.key",
                received=key,
                allowed="a key of its own for each task",
                hint=f"Change it in {_named(draft)} or leave it out: {_named(other)} has it too.",
            )


def _named(draft: Draft) -> str:
    """The task's place and its name in the call, for the caller who gave both."""
    return f"{draft.at} (ref {ascii_only(draft.ref)})"


def specs(drafts: Sequence[Draft]) -> list[TaskSpec]:
    """The drafts as specs that name each other; prerequisites first or not."""
    by_ref = {draft.ref: draft for draft in drafts}
    made: dict[str, TaskSpec] = {}
    for ref in _in_order(drafts, by_ref):
        fields = dict(by_ref[ref].fields)
        for field in LINKS:
            if field in fields:
                fields[field] = tuple(made.get(word, word) for word in fields[field])
        made[ref] = TaskSpec(**fields)
    return [made[draft.ref] for draft in drafts]


def _in_order(drafts: Sequence[Draft], by_ref: Mapping[str, Draft]) -> list[str]:
    return [ref for batch in _generations(drafts, by_ref) for ref in batch]


def _generations(drafts: Sequence[Draft], by_ref: Mapping[str, Draft]) -> list[list[str]]:
    """The refs, each after all that it waits for; DependencyCycle with the path of refs."""
    waits = {draft.ref: {word for _, word in draft.links() if word in by_ref} for draft in drafts}
    behind: dict[str, list[str]] = {ref: [] for ref in waits}
    for ref, words in waits.items():
        for word in words:
            behind[word].append(ref)
    left = {ref: len(words) for ref, words in waits.items()}
    batch = [ref for ref, count in left.items() if count == 0]
    batches: list[list[str]] = []
    while batch:
        batches.append(batch)
        following: list[str] = []
        for ref in batch:
            del left[ref]
            for other in behind[ref]:
                left[other] -= 1
                if left[other] == 0:
                    following.append(other)
        batch = following
    if left:
        raise _cycle(waits, left)
    return batches


def _cycle(waits: Mapping[str, set[str]], left: Mapping[str, int]) -> DependencyCycle:
    """Every ref that is left waits for another that is left: walk until one comes again."""
    path: list[str] = []
    place: dict[str, int] = {}
    ref = next(iter(left))
    while ref not in place:
        place[ref] = len(path)
        path.append(ref)
        ref = min(word for word in waits[ref] if word in left)
    circle = path[place[ref] :]
    return DependencyCycle(
        f"{len(circle)} tasks of the call wait for each other in a circle"
        if len(circle) > 1
        else "a task cannot wait for itself",
        path=[ascii_only(ref) for ref in circle],
        field="tasks",
        allowed="prerequisites and run_after without a circle",
    )


async def check_links(scheduler: Handle, drafts: Sequence[Draft]) -> None:
    """Refuse ids that no task has, and prerequisites that cannot succeed any more."""
    refs = {draft.ref for draft in drafts}
    named: dict[str, tuple[Draft, str]] = {}
    for draft in drafts:
        for field, word in draft.links():
            if word not in refs:
                named.setdefault(_canonical(word), (draft, field))
        parent = draft.fields.get("parent_id")
        if parent is not None:
            named.setdefault(parent, (draft, "parent_id"))
    found: dict[str, Task] = {}
    for task_id, (draft, field) in named.items():
        found[task_id] = await _existing(scheduler, task_id, draft, field)
    for draft in drafts:
        for word in draft.fields.get("prerequisites", ()):
            if word not in refs:
                _check_alive(draft, found[_canonical(word)])


def place(error: SchedulerError, drafts: Sequence[Draft]) -> None:
    """Put the place of the first task at fault into an error of the core, if it can be told."""
    field = error.field
    if field not in ("key", "parent_id", *LINKS):
        return
    refs = {draft.ref for draft in drafts}
    for draft in drafts:
        named: list[str | None] = [draft.fields.get(field)]
        if field in LINKS:
            named = [_canonical(word) for word in draft.fields.get(field, ()) if word not in refs]
        if error.received in named:
            error.field = f"{draft.at}.{field}"
            return


def _canonical(word: str) -> str:
    return ids.encode(ids.decode(word))


async def _existing(scheduler: Handle, task_id: str, draft: Draft, field: str) -> Task:
    try:
        return await scheduler.get(task_id)
    except UnknownTask as error:
        kind: type[SchedulerError] = UnknownTask if field == "parent_id" else UnknownPrerequisite
        raise kind(
            "a task that is named does not exist",
            field=f"{draft.at}.{field}",
            received=error.received,
            allowed="a ref of this call, or the id of a task on record",
        ) from None


def _check_alive(draft: Draft, task: Task) -> None:
    if task.status in DEAD:
        raise PrerequisiteFailed(
            f"prerequisite {task.id} is {task.status}",
            field=f"{draft.at}.prerequisites",
            received=task.id,
            allowed="prerequisites that can still succeed",
        )
