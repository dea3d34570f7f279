"""Commands and answers between processes: what arrives is what was sent."""

from __future__ import annotations

import hashlib
import json
from math import inf
from typing import Any, get_args

import msgspec
import pytest
from msgspec.structs import astuple

from actors import commands as c
from actors.reply import Reply
from persistence.store import Filter
from scheduler import (
    DependencyCycle,
    Ended,
    LeaseLost,
    Overloaded,
    SchedulerError,
    Status,
    StoreLocked,
    StoreUnavailable,
    TaskSpec,
)
from scheduler.domain.errors import from_dict
from scheduler.domain.graph import Graph
from scheduler.domain.limits import Limit
from scheduler.domain.plan import execution_plan
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.recurrence import Schedule
from scheduler.domain.request import NO_EDGES, checked_all
from scheduler.domain.views import Plan
from scheduler.sharing import wire
from tests.domain.making import chain, make_task

FIRST = TaskSpec("first \x00 \x1b[31m \u202e", payload={"big": 2**80, "f": 0.1})
REQUESTS = checked_all([FIRST, TaskSpec("second", prerequisites=[FIRST])], SOURCE_SCORES)
FINISH = c.Finish("complete", 7, "token", '{"a":1}')


def reply() -> Reply[Any]:
    return Reply("request")


COMMANDS: list[c.Command] = [
    c.Enqueue(REQUESTS, reply()),
    c.ClaimReady("w", ("a", "b"), 3, 60.0, 5.0, reply()),
    c.ClaimReady("w", None, 3, 60.0, 5.0, reply()),
    c.Heartbeat(7, "token", None, 0.5, None, reply()),
    c.Complete((FINISH,), reply()),
    c.Fail(c.Finish("fail", 7, "token", error="story"), True, 2.5, reply()),
    c.Release(c.Finish("release", 7, "token"), reply()),
    c.ReleaseHolders("run:", reply()),
    c.AwaitRevoked("w", 30.0, reply()),
    c.Cancel(7, None, True, reply()),
    c.Retry(7, True, reply()),
    c.Update(7, {"deadline_s": None, "base_priority": 3, "payload_json": "[1]"}, reply()),
    c.AddPrerequisites(7, (1, 2), (3,), reply()),
    c.SetPaused("general", True, reply()),
    c.Drain("general", reply()),
    c.SetLimit(Limit("limit_key", "api", 3, 60, 60.0, 5), reply()),
    c.GetLimits(reply()),
    c.Every(Schedule("n", "15m", "UTC", "once", 60.0, REQUESTS[0]), reply()),
    c.StopSchedule("n", reply()),
    c.GetSchedules(reply()),
    c.Flush(reply()),
    c.Get(7, reply()),
    c.GetDetails(7, reply()),
    c.ListTasks(Filter(frozenset({Status.READY}), None, "a", None), 9, 20, reply()),
    c.GetQueueStatus(reply()),
    c.WhyIdle(("a",), reply()),
    c.Wait((1, 2), inf, reply()),
    c.ReadChanges(None, 100, inf, reply()),
    c.MakePlan(None, "g", 4, reply()),
    c.Explain(7, reply()),
]


def sent(command: c.Command) -> wire.Call:
    call = wire.to_owner(wire.call(5, command, again=True))
    assert isinstance(call, wire.Call)
    assert (call.n, call.request, call.again) == (5, "request", True)
    return call


def values(command: c.Command) -> list[Any]:
    names = [name for name in command.__struct_fields__ if name != "reply"]
    return [msgspec.to_builtins(getattr(command, name), str_keys=True) for name in names]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_a_command_arrives_as_it_was(command: c.Command) -> None:
    """Every field but the reply, which is a new one for the same request."""
    arrived = wire.command_of(sent(command))
    assert type(arrived) is type(command)
    assert values(arrived) == values(command)
    assert arrived.reply is not command.reply
    assert arrived.reply.request == "request"


def test_every_command_can_travel() -> None:
    """None is left out of the table above, nor of the wire."""
    assert {type(command) for command in COMMANDS} == set(wire.COMMANDS)
    assert set(wire.COMMANDS) == set(get_args(c.Command))


def test_a_request_without_edges_is_still_one() -> None:
    """The quick way for tasks that name no others stays open to them."""
    arrived = wire.command_of(sent(COMMANDS[0]))
    assert isinstance(arrived, c.Enqueue)
    assert [request.linked for request in arrived.requests] == [False, True]
    assert arrived.requests[0].requires == NO_EDGES


@pytest.mark.parametrize(
    "error",
    [
        LeaseLost("gone", field="lease_token", hint="Stop."),
        DependencyCycle("round", path=["a", "b", "a"]),
        Overloaded("full", retry_after=3.0),
        StoreUnavailable("down", outcome="unknown"),
        StoreUnavailable("nowhere", retryable=False),
        StoreLocked("held", pid=42, received="/tmp/x"),
    ],
    ids=lambda error: error.code,
)
def test_an_error_arrives_as_it_was(error: SchedulerError) -> None:
    """With its class and every fact, alone or among outcomes."""
    refusal = wire.from_owner(wire.refusal(5, error))
    assert isinstance(refusal, wire.Refusal)
    command = COMMANDS[4]
    answer = wire.from_owner(wire.answer(5, [Ended(make_task(7), ("a",), ()), error]))
    assert isinstance(answer, wire.Answer)
    ended, among = wire.value_of(answer, command)
    assert isinstance(ended, Ended)
    assert (ended.task.number, ended.released) == (7, ("a",))
    for arrived in (from_dict(refusal.error), among):
        assert type(arrived) is type(error)
        assert arrived.as_dict() == error.as_dict()
        assert arrived.retryable == error.retryable


def test_a_plan_arrives_as_it_was() -> None:
    graph = Graph()
    graph.admit(chain(3))
    plan = execution_plan(graph, [0, 2], workers=2)
    answer = wire.from_owner(wire.answer(5, plan))
    assert isinstance(answer, wire.Answer)
    arrived = wire.value_of(answer, c.MakePlan(None, None, None, reply()))
    assert isinstance(arrived, Plan)
    assert astuple(arrived) == astuple(plan)
    assert arrived.batches[0] == plan.batches[0]


def test_shapes_change_only_with_the_protocol() -> None:
    """If this fails, a shape has changed: raise wire.PROTOCOL and put the new digest here."""
    kinds = [wire._TO_WIRE[kind] for kind in wire.COMMANDS]
    answers = [wire._answer_type(kind) for kind in wire.COMMANDS]
    schemas = msgspec.json.schema_components([*kinds, *answers, wire.FromOwner, wire.ToOwner])
    digest = hashlib.sha256(_sorted_json(schemas).encode()).hexdigest()
    assert (wire.PROTOCOL, digest[:16]) == (1, "0a4752c38c367823")


def _sorted_json(schemas: Any) -> str:
    return json.dumps(_without_texts(schemas), sort_keys=True)


def _without_texts(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_texts(value) for key, value in schema.items() if key != "description"}
    return (
        [_without_texts(value) for value in schema] if isinstance(schema, list | tuple) else schema
    )
