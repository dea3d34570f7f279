"""What came of a change, stored in the change's own transaction, so that it can be told again.

A receipt names what the change touched, not the answer itself: an answer may hold ten thousand
tasks. Whoever asks again hears of these tasks as they stand now.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from actors import commands as c
from actors import messages as m
from actors import refusals
from actors.messages import Post, To
from actors.patience import take_back
from actors.reading import Reading
from persistence.store import Store
from scheduler.domain.errors import SchedulerError, StoreCorrupt, from_dict
from scheduler.domain.task import Status, Task
from scheduler.domain.views import Cancellation, Ended


class Closed(msgspec.Struct, frozen=True, tag="ended"):
    """A claim that ended."""

    number: int
    released: tuple[str, ...]
    fallen: tuple[str, ...]


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """A claim that was not the caller's, and the error as a dict."""

    error: dict[str, Any]


class Unheld(msgspec.Struct, frozen=True, tag="unheld"):
    """A claim of a task that nobody held: the record says why."""

    finish: c.Finish


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of these, or nothing where the answer is None. Numbers are of tasks."""

    tasks: list[tuple[int, bool]] | None = None  # with `existing`
    claims: list[tuple[int, str]] | None = None  # with their tokens
    ends: list[Closed | Refused | Unheld] | None = None
    cancellation: Cancellation | None = None


_decode = msgspec.json.Decoder(Receipt).decode


def receipt_of(answer: m.Answer) -> str:
    """The receipt to store beside the change that this answers, as JSON text."""
    return msgspec.json.encode(_receipt(answer)).decode()


def _receipt(answer: m.Answer) -> Receipt:
    match answer:
        case m.Granted(tasks=tasks):
            return Receipt(claims=[(task.number, task.token or "") for task in tasks])
        case m.Finished(outcomes=outcomes):
            return Receipt(ends=[_end(outcome) for outcome in outcomes])
        case m.Value(value=Cancellation() as cancellation):
            return Receipt(cancellation=cancellation)
        case m.Value(value=list() as tasks):
            return Receipt(tasks=[(task.number, task.existing) for task in tasks])
        case m.Value():
            return Receipt()


def _end(outcome: Ended | SchedulerError | c.Finish) -> Closed | Refused | Unheld:
    match outcome:
        case Ended(task, released, fallen):
            return Closed(task.number, released, fallen)
        case c.Finish():
            return Unheld(outcome)
        case _:
            return Refused(outcome.as_dict())


def answer_again(again: m.Again, reading: Reading, store: Store) -> list[Post]:
    """Answer from the receipt; without one the change was never made: let it be made now."""
    assert again.reply.request is not None
    text = store.receipt(again.reply.request)
    if text is None:
        return [(To.INGEST, again.command)]
    receipt = _read(text)
    if receipt.claims is None:
        again.reply.answer(_told_again(receipt, reading))
        return []
    held = _still_held(receipt.claims, reading)
    if held:
        told = again.reply.answer(reading.claims(held))
        return [] if told else [take_back(m.Granted(again.reply, held))]
    return [(To.INGEST, again.command)]  # the leases ran out meanwhile, so it got nothing


def _read(text: str) -> Receipt:
    try:
        return _decode(text)
    except msgspec.MsgspecError:
        raise StoreCorrupt(
            "the receipt of a call in the database cannot be read",
            hint="Run `headrace doctor` on the file, then restore a backup.",
        ) from None


def _told_again(receipt: Receipt, reading: Reading) -> Any:
    if receipt.tasks is not None:
        known = reading.tasks(number for number, _ in receipt.tasks)
        return [_as_existing(known, number, existing) for number, existing in receipt.tasks]
    if receipt.ends is not None:
        return [_ended_again(end, reading) for end in receipt.ends]
    return receipt.cancellation


def _as_existing(known: dict[int, Task], number: int, existing: bool) -> Task:
    task = known.get(number)
    if task is None:
        raise refusals.unknown_task(number)
    return replace(task, existing=True) if existing else task


def _ended_again(end: Closed | Refused | Unheld, reading: Reading) -> Ended | SchedulerError:
    match end:
        case Closed(number, released, fallen):
            return Ended(reading.existing(number), released, fallen)
        case Refused(error):
            return from_dict(error)
        case Unheld(finish):
            return reading.outcome(finish)


def _still_held(claims: list[tuple[int, str]], reading: Reading) -> list[Task]:
    known = reading.tasks(number for number, _ in claims)
    return [
        known[number]
        for number, token in claims
        if number in known
        and known[number].status is Status.RUNNING
        and known[number].token == token
    ]
