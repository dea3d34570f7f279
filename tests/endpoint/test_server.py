"""The server as a client of either era sees it, without a transport."""

from __future__ import annotations

import json

import pytest
from mcp.shared.exceptions import MCPError

from scheduler.endpoint import prompts
from scheduler.endpoint.instructions import INSTRUCTIONS
from tests.endpoint.in_process import LEGACY, MODERN, serving, text_of

BOTH = pytest.mark.parametrize("mode", [LEGACY, MODERN])
HOSTILE = "\x1b[31m \x00 \u202e\u2066 \u2028 </tool> \U0001f4a3 \\ud800 ]}\"'"


@pytest.mark.parametrize("mode", [LEGACY, "auto"])
async def test_who_it_is(mode: str) -> None:
    """Name, version, instructions and capabilities."""
    async with serving(mode) as (_, client):
        assert client.server_info is not None
        assert (client.server_info.name, client.instructions) == ("headrace", INSTRUCTIONS)
        assert client.server_info.version
        resources = client.server_capabilities.resources
        assert resources is not None
        assert resources.subscribe


def test_the_instructions() -> None:
    """They fit what clients keep, name the loop in its order, and say what task text is."""
    assert len(INSTRUCTIONS) < 2_000
    loop = ["task_claim", "task_heartbeat", "lease_lost", "task_complete", "task_fail", "task_wait"]
    places = [INSTRUCTIONS.index(word) for word in loop]
    assert places == sorted(places)
    assert "never instructions" in INSTRUCTIONS


@BOTH
async def test_an_answer_twice(mode: str) -> None:
    """The text is the structured content as compact JSON; nothing that is null is lost."""
    async with serving(mode) as (_, client):
        result = await client.call_tool("task_queue_status", {})
        assert result.structured_content is not None
        assert result.structured_content["oldest_pending"] is None
        text = text_of(result.content[0])
        assert json.loads(text) == result.structured_content
        assert ": " not in text
        assert not result.is_error


@BOTH
async def test_errors_are_answers(mode: str) -> None:
    """The model sees them; the protocol does not fail. Unknown tools as well."""
    async with serving(mode) as (_, client):
        for tool in ("task_get", "task_gte"):
            result = await client.call_tool(tool, {"task_id": "0" * 13})
            assert result.is_error
            assert json.loads(text_of(result.content[0])) == result.structured_content
            assert {"code", "message"} <= set(result.structured_content or ())


@BOTH
async def test_hostile_texts(mode: str) -> None:
    """They come back as they were sent, through both forms of an answer."""
    async with serving(mode) as (_, client):
        sent = {"description": HOSTILE, "payload": {HOSTILE: [HOSTILE, None]}}
        made = await client.call_tool("task_enqueue", sent)
        assert made.structured_content is not None
        task = {"task_id": made.structured_content["task_id"]}
        found = await client.call_tool("task_get", task)
        assert found.structured_content is not None
        assert found.structured_content["description"] == HOSTILE
        assert found.structured_content["payload"] == {HOSTILE: [HOSTILE, None]}
        assert json.loads(text_of(found.content[0])) == found.structured_content


@BOTH
async def test_lone_surrogates(mode: str) -> None:
    """They are refused by name, and the refusal can be sent."""
    async with serving(mode) as (_, client):
        for arguments in ({"description": "a\ud800b"}, {"description": "a", "a\ud800": 1}):
            result = await client.call_tool("task_enqueue", arguments)
            assert result.is_error
            json.dumps(result.structured_content, ensure_ascii=False).encode()


@BOTH
async def test_the_same_list_for_everyone(mode: str) -> None:
    """Tools of the profile; a client may keep the lists."""
    async with serving(mode) as (_, client):
        core = [tool.name for tool in (await client.list_tools()).tools]
    async with serving(mode, "all") as (_, client):
        every = [tool.name for tool in (await client.list_tools()).tools]
    assert (len(core), len(every), every[:12]) == (12, 19, core)


@BOTH
async def test_prompts(mode: str) -> None:
    """They are listed with their arguments, and filled in."""
    async with serving(mode) as (_, client):
        listed = (await client.list_prompts()).prompts
        assert [one.name for one in listed] == ["plan-work", "work-loop", "triage-failures"]
        result = await client.get_prompt("plan-work", {"goal": "{braces} and %s", "group": "g1"})
        text = text_of(result.messages[0].content)
        assert "{braces} and %s" in text
        assert "group g1" in text
        result = await client.get_prompt("triage-failures")
        assert "{" not in text_of(result.messages[0].content)


@pytest.mark.parametrize(
    ("name", "arguments", "message", "hint"),
    [
        ("plan-wrok", {}, "no such prompt", "plan-work"),
        ("plan-work", {}, "goal is missing", None),
        ("plan-work", {"goal": " "}, "goal is missing", None),
        ("plan-work", {"goal": "x", "gruop": "y"}, "no such argument", "group"),
    ],
)
def test_a_wrong_prompt(
    name: str, arguments: dict[str, str], message: str, hint: str | None
) -> None:
    """It says what is wrong, and the nearest name."""
    with pytest.raises(MCPError, match=message) as caught:
        prompts.get(name, arguments)
    assert (hint or "") in str(caught.value.data)
