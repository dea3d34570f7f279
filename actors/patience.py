"""Those who wait for the disk, and what they hear when it fails for too long."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from actors import commands as c
from actors import messages as m
from actors.messages import Post, To
from scheduler.domain.errors import SchedulerError, StoreUnavailable

PATIENCE = 10.0  # seconds


Item = m.Answer | m.Question | c.Flush | m.Closing


class Pending(msgspec.Struct, frozen=True, eq=False):
    """An answer or a question that is served when what came before it is saved."""

    what: Item
    since: float


def give_up(
    waiting: Sequence[Pending], reason: str, now: float
) -> tuple[list[Pending], list[Post]]:
    """Refuse what has waited too long for a store that fails; returns what waits on.

    Changes stay, and are saved when the store heals: their outcome is unknown. Claims are taken
    back. Questions and look-ups are dropped together with the commands that asked.
    """
    patient: list[Pending] = []
    posts: list[Post] = []
    for pending in waiting:
        if now < pending.since + PATIENCE:
            patient.append(pending)
        else:
            posts += refuse(pending.what, _unavailable(reason, pending.what))
    return patient, posts


def refuse(what: Item, error: SchedulerError) -> list[Post]:
    """Answer with an error, and give back what the item carried."""
    match what:
        case m.FindKeys(keys, enqueue):
            enqueue.reply.refuse(error)
            return [(To.INGEST, m.KeysSettled(keys))]
        case m.LookUp(command=command):
            return [(To.RESOLVER, m.LookUpFailed(command, error))]
        case m.FindFallen(retry):
            retry.reply.refuse(error)
        case m.FindGroup(plan):
            plan.reply.refuse(error)
        case m.Granted():
            what.reply.refuse(error)
            return [take_back(what)]
        case m.Closing():
            pass
        case _:
            what.reply.refuse(error)
    return []


def take_back(granted: m.Granted) -> Post:
    """Claims that nobody will hear of."""
    claims = [(task.number, task.token) for task in granted.tasks if task.token is not None]
    return (To.PRIORITIZER, m.TakeBack(claims))


def _unavailable(reason: str, what: Item) -> StoreUnavailable:
    changed = isinstance(what, m.Value | m.Finished | c.Flush | m.Again)
    return StoreUnavailable(
        f"the store has not answered for {PATIENCE:g} s: {reason}",
        outcome="unknown" if changed else "refused",
        hint="Mend the disk; then look the task up, or repeat the call with the same key.",
    )
