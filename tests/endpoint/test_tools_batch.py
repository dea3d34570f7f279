"""`task_enqueue_many`: a graph by refs, all or nothing, and the rehearsal of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.endpoint.tool_calls import UNKNOWN_ID, Caller, calling


async def total(agent: Caller) -> int:
    return int((await agent("task_queue_status"))["total_tasks"])


async def test_refs_name_tasks_of_the_call_in_any_order() -> None:
    """And ids name tasks that are there."""
    async with calling() as agent:
        there = await agent.enqueue()
        made = await agent(
            "task_enqueue_many",
            tasks=[
                {"ref": "test", "description": "Test", "prerequisites": ["build", there]},
                {"ref": "build", "description": "Build", "payload": {"a": [1]}},
                {"ref": "report", "description": "Report", "run_after": "test"},
            ],
        )
        ids = made["task_ids"]
        assert list(ids) == ["test", "build", "report"] and made["total_tasks"] == 3
        assert made["truncated"] is False
        found = await agent("task_get", task_id=ids["test"])
        assert {other["task_id"] for other in found["prerequisites"]} == {ids["build"], there}
        found = await agent("task_get", task_id=ids["report"])
        assert [other["task_id"] for other in found["run_after"]] == [ids["test"]]


async def test_a_missing_ref_is_the_place_and_a_number_will_do() -> None:
    """Written as JSON text, too."""
    async with calling() as agent:
        graph = [{"description": "A"}, {"description": "B", "prerequisites": [0]}]
        made = await agent("task_enqueue_many", tasks=json.dumps(graph))
        assert list(made["task_ids"]) == ["0", "1"]


async def test_a_dry_run_makes_nothing() -> None:
    """It tells what could run side by side."""
    async with calling() as agent:
        graph = [
            {"ref": "c", "description": "C", "prerequisites": "a,b"},
            {"ref": "a", "description": "A"},
            {"ref": "b", "description": "B"},
        ]
        would = await agent("task_enqueue_many", tasks=graph, dry_run="true")
        assert would["batches"] == [["a", "b"], ["c"]] and would["task_ids"] == {}
        assert await total(agent) == 0


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_cycle_is_refused_with_its_path(dry_run: bool) -> None:
    """Of refs, without the tasks that only wait for the circle."""
    async with calling() as agent:
        graph = [
            {"ref": "tail", "description": "T", "prerequisites": ["a"]},
            {"ref": "a", "description": "A", "prerequisites": ["b"]},
            {"ref": "b", "description": "B", "run_after": ["c"]},
            {"ref": "c", "description": "C", "prerequisites": ["a"]},
        ]
        body = await agent.refused("task_enqueue_many", tasks=graph, dry_run=dry_run)
        assert body["code"] == "dependency_cycle" and body["path"] == ["a", "b", "c"]
        assert await total(agent) == 0


WRONG: list[tuple[list[dict[str, Any]], str, str]] = [
    ([{"description": "A"}, {"description": "B", "base_priority": 99}], "tasks[1].base_priority",
     "invalid_task"),
    ([{"description": "A"}, {}], "tasks[1].description", "invalid_task"),
    ([{"description": "A", "descripton": "B"}], "tasks[0].descripton", "invalid_task"),
    ([{"description": "A", "deadline": "soon"}], "tasks[0].deadline", "invalid_task"),
    ([{"description": "x" * 70_000}], "tasks[0].description", "too_large"),
    ([{"ref": "a", "description": "A"}, {"ref": "a", "description": "B"}], "tasks[1].ref",
     "invalid_task"),
    ([{"ref": "a\x1b", "description": "A"}], "tasks[0].ref", "invalid_task"),
    ([{"description": "A", "prerequisites": ["biuld"]}, {"ref": "build", "description": "B"}],
     "tasks[0].prerequisites", "invalid_task"),
    ([{"description": "A", "key": "k"}, {"description": "B", "key": "k"}], "tasks[1].key",
     "invalid_task"),
    ([], "tasks", "invalid_task"),
    ([{"ref": "a", "description": "A", "prerequisites": ["a"]}], "tasks", "dependency_cycle"),
]  # fmt: skip


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(("graph", "field", "code"), WRONG)
async def test_what_is_wrong_is_named_with_its_place(
    graph: list[dict[str, Any]], field: str, code: str, dry_run: bool
) -> None:
    """Rehearsed or not, and nothing is made."""
    async with calling() as agent:
        body = await agent.refused("task_enqueue_many", tasks=graph, dry_run=dry_run)
        assert (body["field"], body["code"]) == (field, code)
        assert await total(agent) == 0


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_key_given_twice_is_named_with_its_refs(dry_run: bool) -> None:
    """Both places, for the caller who wrote them."""
    async with calling() as agent:
        graph = [{"description": "x", "ref": ref, "key": key} for ref, key in ("ak", "bl", "ck")]
        body = await agent.refused("task_enqueue_many", tasks=graph, dry_run=dry_run)
        assert (body["field"], body["received"]) == ("tasks[2].key", "k")
        assert "tasks[2] (ref c)" in body["hint"] and "tasks[0] (ref a)" in body["hint"]


@pytest.mark.parametrize("dry_run", [True, False])
async def test_unknown_and_dead_ids_are_refused(dry_run: bool) -> None:
    """With their place, also in a real run, where the core finds them."""
    async with calling() as agent:
        dead = await agent.enqueue()
        await agent("task_cancel", task_id=dead)
        for word, code in ((UNKNOWN_ID, "unknown_prerequisite"), (dead, "prerequisite_failed")):
            graph = [
                {"description": "A", "ref": "a"},
                {"description": "B", "prerequisites": ["a", word.upper()]},
            ]
            body = await agent.refused("task_enqueue_many", tasks=graph, dry_run=dry_run)
            assert (body["code"], body["received"]) == (code, word)
            assert body["field"] == "tasks[1].prerequisites"
        graph = [{"description": "A"}, {"description": "B", "run_after": [UNKNOWN_ID]}]
        body = await agent.refused("task_enqueue_many", tasks=graph, dry_run=dry_run)
        assert (body["code"], body["field"]) == ("unknown_prerequisite", "tasks[1].run_after")
        graph = [{"description": "A"}, {"description": "B", "parent_id": UNKNOWN_ID}]
        body = await agent.refused("task_enqueue_many", tasks=graph, dry_run=dry_run)
        assert (body["code"], body["field"]) == ("unknown_task", "tasks[1].parent_id")
        assert await total(agent) == 1


async def test_a_key_of_another_request_is_named_with_its_place() -> None:
    """Only a real run can know it."""
    async with calling() as agent:
        await agent.enqueue("other", key="k")
        graph = [{"description": "A"}, {"description": "B", "key": "k"}]
        body = await agent.refused("task_enqueue_many", tasks=graph)
        assert (body["code"], body["field"]) == ("key_conflict", "tasks[1].key")
        assert await total(agent) == 1


async def test_known_keys_are_told() -> None:
    """A repeated call makes nothing new."""
    async with calling() as agent:
        graph = [{"ref": "a", "description": "A", "key": "k"}]
        first = await agent("task_enqueue_many", tasks=graph)
        again = await agent("task_enqueue_many", tasks=graph)
        assert again["task_ids"] == first["task_ids"] and again["existing"] == ["a"]


async def test_a_graph_is_repeatable_if_every_task_has_a_key() -> None:
    """One without is made anew, so whatever waits for it is another request."""
    async with calling() as agent:
        graph = [
            {"ref": "a", "description": "A"},
            {"ref": "b", "description": "B", "key": "b", "prerequisites": ["a"]},
        ]
        await agent("task_enqueue_many", tasks=graph)
        body = await agent.refused("task_enqueue_many", tasks=graph)
        assert (body["code"], body["field"]) == ("key_conflict", "tasks[1].key")
        assert await total(agent) == 2


async def test_a_chain_of_thousands_works() -> None:
    """No recursion on the way."""
    async with calling() as agent:
        graph = [{"ref": i, "description": "x", "prerequisites": [i + 1]} for i in range(3_000)]
        made = await agent(
            "task_enqueue_many", tasks=[*graph, {"ref": 3_000, "description": "last"}]
        )
        assert made["total_tasks"] == 3_001
        plan = await agent("task_execution_plan")
        assert plan["total_batches"] == 3_001 and plan["truncated"] is True
        assert len(json.dumps(plan)) < 80_000


@pytest.mark.parametrize("ref", ["", "\u00fc" * 190])
async def test_the_answer_for_a_large_graph_is_a_page(ref: str) -> None:
    """Ids, known refs and batches are cut; the totals are those of all."""
    graph = [{"ref": f"{ref}{i}", "description": "x", "key": f"k{i}"} for i in range(10_000)]
    async with calling() as agent:
        rehearsed = await agent("task_enqueue_many", tasks=graph, dry_run=True)
        made = await agent("task_enqueue_many", tasks=graph)
        again = await agent("task_enqueue_many", tasks=graph)
        for answer in (rehearsed, made, again):
            assert len(json.dumps(answer, ensure_ascii=False).encode()) < 80_000
            assert (answer["total_tasks"], answer["truncated"]) == (10_000, True)
        (batch,) = rehearsed["batches"]
        assert len(batch) > 100 and rehearsed["total_batches"] == 1
        assert made["total_existing"] == 0 and made["existing"] == []
        assert next(iter(made["task_ids"])) == f"{ref}0" and len(made["task_ids"]) > 100
        assert again["total_existing"] == 10_000 and len(again["existing"]) > 30
        assert len(again["task_ids"]) > 50
        found = await agent("task_get", task_id=made["task_ids"][f"{ref}7"])
        assert found["key"] == "k7"
