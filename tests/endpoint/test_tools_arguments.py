"""Liberal in: the forms in which agents really send arguments. Strict out: one form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scheduler.endpoint import tools
from tests.endpoint.tool_calls import calling


@pytest.mark.parametrize("form", ["{0},{1}", '["{0}","{1}"]', " {0} , task://{1} "])
async def test_a_list_may_be_a_text(form: str) -> None:
    """With commas, or JSON in a string."""
    async with calling() as agent:
        first, second = await agent.enqueue(), await agent.enqueue()
        made = await agent(
            "task_enqueue", description="x", prerequisites=form.format(first, second)
        )
        found = await agent("task_get", task_id=made["task_id"])
        assert {other["task_id"] for other in found["prerequisites"]} == {first, second}


async def test_one_alone_stands_for_a_list() -> None:
    """And `id` for `task_id`, capital letters for small ones."""
    async with calling() as agent:
        first = await agent.enqueue()
        second = await agent.enqueue(prerequisites=first)
        assert (await agent("task_get", id=second.upper()))["task_id"] == second
        assert (await agent("task_get", task_id=f"task://{second}"))["task_id"] == second
        assert (await agent("task_execution_plan", ids=first))["batches"] == [[first]]


async def test_numbers_and_flags_may_be_texts() -> None:
    """Whole numbers may come with a point, null means not given."""
    async with calling() as agent:
        task = await agent.enqueue(
            base_priority="7", max_attempts=2.0, timeout="1.5", group=None, deadline=None
        )
        found = await agent("task_get", task_id=task)
        assert (found["base_priority"], found["max_attempts"], found["timeout"]) == (7, 2, 1.5)
        assert (await agent("task_cancel", task_id=task, dry_run="True"))["dry_run"] is True
        assert len((await agent("task_list", limit="5"))["tasks"]) == 1


@pytest.mark.parametrize("status", ["ready,blocked", ["ready", "blocked"], "pending", "READY"])
async def test_status_is_one_or_several(status: Any) -> None:
    """Or the word pending."""
    async with calling() as agent:
        first = await agent.enqueue()
        await agent.enqueue(prerequisites=[first])
        rows = (await agent("task_list", status=status))["tasks"]
        assert len(rows) == (1 if status == "READY" else 2)


async def test_json_stays_what_it_is() -> None:
    """An object in a text is decoded where JSON is wanted; every other value is kept."""
    async with calling() as agent:
        for given, kept in [
            ({"a": [1, None]}, {"a": [1, None]}),
            ('{"a": 1}', {"a": 1}),
            ("plain", "plain"),
            ("{not json", "{not json"),
            ("5", "5"),
            ("[NaN]", "[NaN]"),
            ('{"a": -Infinity}', '{"a": -Infinity}'),
            ("[1e999]", "[1e999]"),
            ('["\\ud800"]', '["\\ud800"]'),
            ("[" * 70 + "]" * 70, "[" * 70 + "]" * 70),
            ("[" * 64 + "]" * 64, json.loads("[" * 64 + "]" * 64)),
            (5, 5),
            (False, False),
        ]:
            task = await agent.enqueue(payload=given)
            found = (await agent("task_get", task_id=task))["payload"]
            assert found == kept and type(found) is type(kept)


async def test_times_have_a_zone() -> None:
    """They come back in UTC."""
    async with calling() as agent:
        task = await agent.enqueue(not_before="2027-01-31T12:00:00+02:00")
        assert (await agent("task_get", task_id=task))["not_before"] == "2027-01-31T10:00:00Z"
        body = await agent.refused("task_enqueue", description="x", deadline="2027-01-31T12:00:00")
        assert body["field"] == "deadline" and "Z for UTC" in body["hint"]


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("task_get", {}, "task_id", "task_get needs task_id"),
    ("task_get", {"task_id": None}, "task_id", "task_get needs task_id"),
    ("task_get", {"taskid": "x"}, "taskid", "Did you mean task_id?"),
    ("task_get", {"task_id": "x", "id": "y"}, "id", ""),
    ("task_get", {"task_id": 5}, "task_id", "task_list"),
    ("task_list", {"statsu": "ready"}, "statsu", "Did you mean status?"),
    ("task_list", {"status": "redy"}, "status", 'Did you mean status="ready"?'),
    ("task_list", {"limit": 501}, "limit", "from 1 to 500"),
    ("task_list", {"limit": "many"}, "limit", "from 1 to 500"),
    ("task_list", {"limit": True}, "limit", "from 1 to 500"),
    ("task_list", {"cursor": "abc"}, "cursor", "next_cursor"),
    ("task_list", {"fields": ["paylaod"]}, "fields", 'fields="payload"'),
    ("task_list", {"fields": ["x"]}, "fields", "Pick one of the allowed words"),
    ("task_claim", {}, "agent", "task_claim needs agent"),
    ("task_claim", {"agent": "a\x07"}, "agent", ""),
    ("task_claim", {"agent": "a", "agent_types": []}, "agent_types", "leave agent_types out"),
    ("task_claim", {"agent": "a", "wait_seconds": 51}, "wait_seconds", "call task_claim again"),
    ("task_claim", {"agent": "a", "lease_seconds": 0.1}, "lease_seconds", "from 1 to 86400"),
    ("task_wait", {"since": -1}, "since", "task_queue_status"),
    ("task_execution_plan", {"task_ids": {}}, "task_ids", ""),
    ("task_execution_plan", {"workers": 1.5}, "workers", ""),
    ("task_enqueue", {"description": ""}, "description", "some text"),
    ("task_enqueue", {"description": 5}, "description", ""),
    ("task_enqueue", {"description": "\ud800"}, "description", ""),
    ("task_enqueue", {"description": "x", "source": "humna"}, "source", 'source="human"'),
    ("task_enqueue", {"description": "x", "base_priority": "1e999"}, "base_priority", "0 to 10"),
    ("task_enqueue", {"description": "x", "base_priority": 10**400}, "base_priority", "0 to 10"),
    ("task_enqueue", {"description": "x", "payload": {"a": float("nan")}}, "payload", "finite"),
    ("task_enqueue", {"description": "x", "summary": "y" * 141}, "summary", "Shorten"),
    ("task_enqueue", {"description": "x", "payload": "y" * 300_000}, "payload", "file"),
    ("task_enqueue", {"description": "x", "deadline": 1_800_000_000}, "deadline", ""),
    ("task_enqueue", {"description": "x", "deadline": "9999-01-01T00:00Z"}, "deadline", ""),
    ("task_update", {"task_id": "0" * 13}, "task_id", "Name a field"),
    ("task_update", {"task_id": "0" * 13, "group": "g", "clear": "group"}, "group", "clear"),
    ("task_add_prerequisites", {"task_id": "0" * 13}, "prerequisites", "at least one id"),
]


@pytest.mark.parametrize(("tool", "arguments", "field", "hint"), WRONG)
async def test_a_wrong_argument_is_named(
    tool: str, arguments: dict[str, Any], field: str, hint: str
) -> None:
    """With what is allowed, and the call to make again."""
    async with calling() as agent:
        body = await agent.refused(tool, **arguments)
        assert body["code"] in ("invalid_request", "invalid_task", "too_large")
        assert body.get("field", field) == field and hint in body["hint"]
        assert body["allowed"] and ("call " in body["hint"].lower())


async def test_bounds_are_written_as_one_types_them() -> None:
    """Without an exponent, whether the endpoint or the core tells them."""
    async with calling() as agent:
        for value in (-1, "many"):
            body = await agent.refused("task_wait", since=value)
            assert body["allowed"] == "a whole number from 0 to 9007199254740991"
            body = await agent.refused("task_enqueue", description="x", timeout=value)
            assert body["allowed"] == "a number from 0.001 to 315576000"


async def test_allowed_words_are_told_once() -> None:
    """In `allowed`: neither the message nor the hint repeats the list."""
    async with calling() as agent:
        for field, word in (("fields", "zzz"), ("source", "zzz"), ("status", "zzz")):
            body = await agent.refused("task_list", **{field: word})
            last = body["allowed"].rsplit(", ")[-1]
            assert last not in body["message"] and last not in body["hint"]


async def test_an_unknown_tool_names_the_nearest() -> None:
    """Also one of the other profile, with the way to get it."""
    async with calling("core") as agent:
        body = await agent.refused("task_gett")
        assert body["code"] == "unknown_tool" and "Did you mean task_get?" in body["hint"]
        body = await agent.refused("task_retry", task_id="0" * 13)
        assert "--tools all" in body["hint"] and "task_retry" not in body["allowed"]
        body = await agent.refused("\x1b[31mnothing like it")
        assert body["hint"] and "\x1b" not in body["received"]


async def test_no_arguments_at_all_will_do() -> None:
    """A client may leave them out."""
    async with calling() as agent:
        answer = await tools.call(agent.scheduler, "core", "task_queue_status", None)
        assert not answer.is_error and answer.body["total_tasks"] == 0
