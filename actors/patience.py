"""Those who wait for the disk, and what they hear when it fails for too long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from actors import commands as c
from actors import messages as m
from actors.messages import Post, To
from actors.reply import Reply
from scheduler.domain.errors import StoreUnavailable

PATIENCE = 10.0  # seconds


Item = m.Answer | m.Question | c.Flush


class Pending(msgspec.Struct, frozen=True, eq=False):
    """An answer or a question that is served when what came before it is saved."""

    what: Item
    since: float


def give_up(
    waiting: Sequence[Pending], error: StoreUnavailable, now: float
) -> tuple[list[Pending], list[Post]]:
    """Refuse what has waited too long; returns what waits on.

    The changes themselves stay, and are saved when the store heals: hence "unknown". Claims
    are taken back. Look-ups between actors wait on, for they carry tasks that somebody holds.
    """
    patient: list[Pending] = []
    posts: list[Post] = []
    for pending in waiting:
        if now - pending.since < PATIENCE:
            patient.append(pending)
            continue
        what = pending.what
        reply_of(what).refuse(_unavailable(error, what))
        if isinstance(what, m.Granted):
            posts.append(take_back(what))
        elif isinstance(what, m.FindKeys | m.LookUp | m.FindFallen | m.FindGroup):
            patient.append(Pending(what, now))
    return patient, posts


def take_back(granted: m.Granted) -> Post:
    """Claims that nobody will hear of."""
    claims = [(task.number, task.token) for task in granted.tasks if task.token is not None]
    return (To.PRIORITIZER, m.TakeBack(claims))


def reply_of(what: Item) -> Reply[Any]:
    """Where the answer goes in the end."""
    match what:
        case m.FindKeys(enqueue=enqueue):
            return enqueue.reply
        case m.FindFallen(retry=retry):
            return retry.reply
        case m.FindGroup(plan=plan):
            return plan.reply
        case m.LookUp(command=m.Admit(answers=[answer])):  # one that needs a look-up goes alone
            return answer.reply
        case m.LookUp(command=c.AddPrerequisites(reply=tasks)):
            return tasks
        case m.LookUp(command=c.MakePlan(reply=made)):
            return made
        case _:
            return what.reply  # type: ignore[union-attr]  # a LookUp has one of three commands


def _unavailable(error: StoreUnavailable, what: object) -> StoreUnavailable:
    changed = isinstance(what, m.Value | m.Finished | c.Flush)
    return StoreUnavailable(
        f"the store has not answered for {PATIENCE:g} s: {error.message}",
        outcome="unknown" if changed else "refused",
        hint="Repeat the call with the same key, or look the task up, once the store is mended. "
        + (error.hint or ""),
    )
