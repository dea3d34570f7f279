"""Facts about finished tasks, which handlers need and only the store has.

A look-up is served when everything recorded before it is saved, so what the store says of a
task that was seen to end is final.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from actors import commands as c
from actors import messages as m
from actors.messages import Post, Statuses, To
from actors.records import Records
from persistence.store import Store
from scheduler.domain.task import Task

LookUps = m.FindKeys | m.LookUp | m.FindFallen | m.FindGroup


def look_up(question: LookUps, records: Records, store: Store) -> list[Post]:
    """Find the facts and send the command on to whoever lacked them."""
    match question:
        case m.LookUp(numbers, command, known):
            statuses = known | _statuses(numbers, store)
            return [(To.RESOLVER, m.LookedUp(command, statuses))]
        case m.FindKeys(keys, enqueue):
            return [(To.INGEST, m.KeysFound(enqueue, store.by_keys(keys)))]
        case m.FindFallen(retry):
            tasks = _with_fallen(retry, store)
            around = {number for task in tasks for number in task.requires + task.follows}
            around |= {task.parent for task in tasks if task.parent is not None}
            found = m.FallenFound(retry, tasks, _statuses(around, store))
            return [(To.RESOLVER, found)]
        case m.FindGroup(plan):
            group = plan.group
            members = tuple(n for n, task in records.tasks.items() if task.group == group)
            made = c.MakePlan(members, None, plan.workers, plan.reply)
            return [(To.RESOLVER, made)]
        case _:
            assert_never(question)


def _statuses(numbers: Iterable[int], store: Store) -> Statuses:
    """A status, or None, for each."""
    wanted = list(numbers)
    found = store.statuses(wanted)
    return {number: found.get(number) for number in wanted}


def _with_fallen(retry: c.Retry, store: Store) -> list[Task]:
    root = list(store.tasks((retry.number,)).values())
    return root + store.fallen_with(retry.number) if root and retry.cascade else root
