"""Commands that cross a change on its way are answered as if they had come before or after it."""

from __future__ import annotations

from typing import Any

import pytest

from actors import commands as c
from actors.messages import To
from actors.reply import Reply
from scheduler.domain.errors import AlreadyFinished
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.request import checked_all
from scheduler.domain.spec import TaskSpec
from scheduler.domain.views import Explanation

from .mailroom import Mailroom


def heard(reply: Reply[Any]) -> Any:
    assert reply.answered
    with pytest.raises(StopIteration) as told:
        reply.wait().send(None)
    return told.value.value


@pytest.fixture
def room() -> Mailroom:
    return Mailroom()


def crossed_a_retry(room: Mailroom, make: Any) -> Reply[Any]:
    """The reply to a command that meets the resolver just before the task is re-opened there."""
    requests = checked_all([TaskSpec("work")], SOURCE_SCORES)
    made = room.send(c.Enqueue(requests, Reply()))
    room.settle()
    number = heard(made)[0].number
    room.send(c.Cancel(number, None, False, Reply()))
    room.settle()
    room.send(c.Retry(number, False, Reply()))
    for to in (To.INGEST, To.RESOLVER, To.PRIORITIZER):
        room.deliver(to)
    reply: Reply[Any] = room.send(make(number))
    for to in (To.INGEST, To.PRIORITIZER):
        room.deliver(to)  # to the resolver, whichever way it goes
    room.deliver(To.PERSISTER)  # which has found the task
    for to in (To.RESOLVER, To.PRIORITIZER, To.PERSISTER):
        room.deliver(to, 2)
    room.settle()
    room.check()
    return reply


def test_explain_and_retry(room: Mailroom) -> None:
    """It tells of the task as it stands; once this ended the scheduler."""
    reply = crossed_a_retry(room, lambda number: c.Explain(number, Reply()))
    explanation: Explanation = heard(reply)
    assert explanation.reason.startswith(str(explanation.task.status))


@pytest.mark.parametrize("name", ["update", "cancel", "add_prerequisites"])
def test_changes_and_retry(room: Mailroom, name: str) -> None:
    """They are refused because it had finished, and a second call will find it open."""
    makes = {
        "update": lambda number: c.Update(number, {"base_priority": 9}, Reply()),
        "cancel": lambda number: c.Cancel(number, None, False, Reply()),
        "add_prerequisites": lambda number: c.AddPrerequisites(number, (number,), (), Reply()),
    }
    reply = crossed_a_retry(room, makes[name])
    assert reply.answered
    with pytest.raises(AlreadyFinished) as told:
        reply.wait().send(None)
    assert "again" in str(told.value.hint)


def claimed(room: Mailroom) -> tuple[int, str]:
    """A claim: the number of its task, and its token."""
    room.send(c.Enqueue(checked_all([TaskSpec("work")], SOURCE_SCORES), Reply()))
    room.settle()
    claims = room.send(c.ClaimReady("w", None, 1, 60.0, 0.0, Reply()))
    room.settle()
    (claim,) = heard(claims)
    return claim.task.number, claim.token


def test_a_heartbeat_behind_a_completion(room: Mailroom) -> None:
    """It hears that the task is completed, although that is not on record yet."""
    number, token = claimed(room)
    room.send(c.Complete((c.Finish("complete", number, token),), Reply()))
    reply: Reply[Any] = room.send(c.Heartbeat(number, token, None, None, None, Reply()))
    for to in (To.INGEST, To.PRIORITIZER, To.PERSISTER):
        room.deliver(to, 2)
    room.settle()
    with pytest.raises(AlreadyFinished):
        reply.wait().send(None)


def test_explain_and_completion(room: Mailroom) -> None:
    """A running task that leaves while it is looked for is explained as completed."""
    number, token = claimed(room)
    reply: Reply[Any] = room.send(c.Explain(number, Reply()))
    room.deliver(To.INGEST)
    room.deliver(To.RESOLVER)
    room.send(c.Complete((c.Finish("complete", number, token),), Reply()))
    room.deliver(To.INGEST)
    box = room.boxes[To.PRIORITIZER]
    box.rotate(1)  # the completion came first
    room.settle()
    assert heard(reply).reason.startswith("completed")
