"""What a client reads before it calls anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import mcp_types
import pytest

from scheduler.endpoint import prompts, tools
from scheduler.endpoint.docs import page
from scheduler.endpoint.guide import GUIDE
from scheduler.endpoint.instructions import INSTRUCTIONS
from tests.test_docs import ROOT

CORE = [
    "task_enqueue",
    "task_list",
    "task_get",
    "task_queue_status",
    "task_cancel",
    "task_execution_plan",
    "task_claim",
    "task_heartbeat",
    "task_complete",
    "task_fail",
    "task_wait",
    "task_explain",
]
MORE = [
    "task_enqueue_many",
    "task_release",
    "task_retry",
    "task_update",
    "task_add_prerequisites",
    "queue_pause",
    "queue_resume",
]
PRINT = (
    "import mcp_types; from scheduler.endpoint import tools; print(mcp_types.ListToolsResult("
    "tools=tools.listed('all')).model_dump_json(by_alias=True, exclude_none=True))"
)


def as_sent(profile: tools.Profile) -> str:
    result = mcp_types.ListToolsResult(tools=tools.listed(profile))
    return result.model_dump_json(by_alias=True, exclude_none=True)


def test_the_profiles_hold_their_tools_in_a_fixed_order() -> None:
    assert [tool.name for tool in tools.listed("core")] == CORE
    assert [tool.name for tool in tools.listed("all")] == CORE + MORE


def test_the_default_list_is_small() -> None:
    """An agent pays for it in every session."""
    assert len(as_sent("core").encode()) <= 24_576


@pytest.mark.process
def test_the_list_is_the_same_in_every_process() -> None:
    """Byte for byte, whatever the hashes of the process."""
    seen = {
        subprocess.run(
            [sys.executable, "-c", PRINT],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert seen == {as_sent("all").encode() + b"\n"}


@pytest.mark.parametrize("tool", tools.listed("all"), ids=lambda tool: tool.name)
def test_every_tool_says_what_it_is(tool: mcp_types.Tool) -> None:
    """Title, description, annotations, and a schema of the answer with an object at its root."""
    assert tool.title and tool.description and len(tool.description) < 600
    notes = tool.annotations
    assert notes is not None and notes.open_world_hint is False
    for hint in (notes.read_only_hint, notes.destructive_hint, notes.idempotent_hint):
        assert hint is not None
    assert not (notes.read_only_hint and notes.destructive_hint)
    assert tool.output_schema is not None and tool.output_schema["type"] == "object"
    for schema in (tool.input_schema, tool.output_schema):
        jsonschema.Draft202012Validator.check_schema(schema)


def schemas_in(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for inner in (*schema.get("properties", {}).values(), schema.get("items")):
        if inner:
            yield from schemas_in(inner)


@pytest.mark.parametrize("tool", tools.listed("all"), ids=lambda tool: tool.name)
def test_input_schemas_are_flat(tool: mcp_types.Tool) -> None:
    """No choice of types, no references, one type each, nothing beyond the known names."""
    assert tool.input_schema["type"] == "object"
    assert tool.input_schema["additionalProperties"] is False
    text = json.dumps(tool.input_schema)
    assert not any(word in text for word in ("$ref", "$defs", "anyOf", "oneOf", "allOf"))
    for schema in schemas_in(tool.input_schema):
        assert isinstance(schema["type"], str)
    for name in tool.input_schema.get("required", ()):
        assert name in tool.input_schema["properties"]


def test_only_what_takes_away_is_called_destructive() -> None:
    """And what only looks says so."""
    notes = {tool.name: tool.annotations for tool in tools.listed("all") if tool.annotations}
    assert {name for name, note in notes.items() if note.destructive_hint} == {
        "task_cancel",
        "task_fail",
        "queue_pause",
    }
    assert {name for name, note in notes.items() if note.read_only_hint} == {
        "task_list",
        "task_get",
        "task_queue_status",
        "task_execution_plan",
        "task_wait",
        "task_explain",
    }


def test_both_ways_of_losing_a_task_are_told() -> None:
    """Wherever an agent reads of one, it reads of the other."""
    lost = {tool.name for tool in tools.listed("all") if "lease_lost" in (tool.description or "")}
    assert lost == {"task_heartbeat", "task_complete", "task_fail"}
    texts = [tool.description or "" for tool in tools.listed("all") if tool.name in lost]
    prompt = prompts.get("work-loop", {"agent": "anna"}).messages[0].content
    assert isinstance(prompt, mcp_types.TextContent)
    for text in (*texts, INSTRUCTIONS, GUIDE, prompt.text, page()):
        assert "lease_lost" in text and "already_finished" in text


def test_what_is_easily_taken_wrong_is_said() -> None:
    """One pool of workers, all results, what a key repeats, how to ask without waiting."""
    plan, claim = tools.EVERY["task_execution_plan"], tools.EVERY["task_claim"]
    assert "one pool of workers for all agent types" in plan.by_name["workers"].about
    assert "each can do every agent_type" in str(plan.outputs["makespan_seconds"])
    assert "run_after" in str(claim.outputs["claims"])
    assert "0 answers at once" in claim.by_name["wait_seconds"].about
    for name in ("task_enqueue", "task_enqueue_many"):
        schema = str(tools.EVERY[name].listed().input_schema)
        assert "same key and arguments" in schema and "key_conflict" in schema


def test_which_calls_wait_is_declared_once() -> None:
    """By the tools that have wait_seconds; 0 waits for nothing, and what is absent is a default."""
    assert set(tools.WAITING) == {
        name for name, tool in tools.EVERY.items() if "wait_seconds" in tool.by_name
    }
    claim, wait = tools.EVERY["task_claim"], tools.EVERY["task_wait"]
    assert [claim.asks_to_wait(given) for given in ({}, {"wait_seconds": 5})] == [False, True]
    assert [wait.asks_to_wait(given) for given in ({}, {"wait_seconds": None})] == [True, True]
    assert not wait.asks_to_wait({"wait_seconds": 0})
    assert not tools.EVERY["task_get"].asks_to_wait({"wait_seconds": 5})


def test_the_page_is_made_from_the_declarations() -> None:
    """Make it anew with: python -m scheduler.endpoint.docs > docs/mcp.md"""
    assert (ROOT / "docs" / "mcp.md").read_text() == page()
