"""Answers that a client can take: pages, their cursors, and what is cut or kept whole."""

from __future__ import annotations

import json
from pathlib import Path

from scheduler import open_scheduler
from scheduler.endpoint.toolkit.bounds import ATTEMPTS, EXCERPT, NEIGHBORS
from tests.endpoint.tool_calls import Caller, calling

PAGE = 80_000  # bytes


async def test_pages_go_from_the_newest_to_the_oldest(tmp_path: Path) -> None:
    """Each task once, whatever the limit."""
    async with open_scheduler(tmp_path / "tasks.db") as scheduler:
        agent = Caller(scheduler)
        ids = [await agent.enqueue() for _ in range(25)]
        seen: list[str] = []
        cursor = None
        while True:
            page = await agent("task_list", limit=10, cursor=cursor)
            seen += [row["task_id"] for row in page["tasks"]]
            cursor = page["next_cursor"]
            if not page["has_more"]:
                break
        assert seen == ids[::-1] and cursor is None


async def test_a_page_is_cut_where_it_would_be_too_large() -> None:
    """With the cursor of the last row in it, so that nothing is lost."""
    async with calling() as agent:
        graph = [{"description": "\U0001f9d1" * 140 + "\nrest" * 300} for _ in range(500)]
        await agent("task_enqueue_many", tasks=graph)
        seen: list[str] = []
        cursor, pages = None, 0
        while cursor is not None or not pages:
            page = await agent("task_list", limit=500, cursor=cursor, fields="description,key")
            assert len(json.dumps(page, ensure_ascii=False).encode()) < PAGE
            seen += [row["task_id"] for row in page["tasks"]]
            cursor = page["next_cursor"]
            assert page["has_more"] is (cursor is not None)
            pages += 1
        assert len(seen) == len(set(seen)) == 500 and pages > 5


async def test_rows_are_compact_and_have_what_was_asked_for() -> None:
    """Long texts are cut in rows; task_get has them whole."""
    async with calling() as agent:
        text = "x" * 5_000
        task = await agent.enqueue(text, group="g")
        await agent.enqueue(prerequisites=[task])
        (blocked, row) = (await agent("task_list"))["tasks"]
        assert set(row) == {
            "task_id",
            "summary",
            "status",
            "agent_type",
            "calculated_priority",
            "blocked_by",
        }
        assert (blocked["blocked_by"], row["blocked_by"]) == (1, 0)
        answer = await agent.scheduler.list(limit=1)
        assert answer.tasks
        page = await agent("task_list", fields=["group", "description"], status="ready")
        assert page["tasks"][0]["group"] == "g"
        assert len(page["tasks"][0]["description"]) == EXCERPT
        assert (await agent("task_get", task_id=task))["description"] == text


async def test_payloads_and_results_in_rows() -> None:
    """As JSON up to the bound, over it as the beginning of their text; a page stays a page."""
    async with calling() as agent:
        small = await agent.enqueue(payload={"a": [1]})
        await agent("task_complete", **await agent.claim(), result=[True, None])
        for _ in range(100):
            await agent.enqueue(payload={"blob": "\u00fc" * 50_000})
        page = await agent("task_list", fields="payload,result,attempt", limit=500)
        assert len(json.dumps(page, ensure_ascii=False).encode()) < PAGE
        row = page["tasks"][0]
        assert (row["result"], row["attempt"]) == (None, 0)
        assert len(row["payload"]) == EXCERPT
        assert row["payload"].startswith('{"blob":"') and row["payload"].endswith("\u2026")
        page = await agent("task_list", fields="payload,result,attempt", status="completed")
        (row,) = page["tasks"]
        assert (row["task_id"], row["payload"], row["result"]) == (small, {"a": [1]}, [True, None])
        assert row["attempt"] == 1


async def test_large_data_are_whole_in_task_get() -> None:
    """Up to the limits of the core."""
    async with calling() as agent:
        payload = {"blob": "\u00fc" * 100_000}
        task = await agent.enqueue("d" * 60_000, payload=payload)
        found = await agent("task_get", task_id=task)
        assert len(found["description"]) == 60_000 and found["payload"] == payload


async def test_neighbors_and_attempts_are_bounded_and_counted() -> None:
    async with calling() as agent:
        root = await agent.enqueue(max_attempts=1_000)
        fan = [{"description": "x", "prerequisites": [root]} for _ in range(NEIGHBORS + 50)]
        await agent("task_enqueue_many", tasks=fan)
        for _ in range(ATTEMPTS + 5):
            await agent("task_release", **await agent.claim())
        found = await agent("task_get", task_id=root)
        assert len(found["dependents"]) == NEIGHBORS
        assert found["total_dependents"] == NEIGHBORS + 50
        assert len(found["attempts"]) <= ATTEMPTS
        assert found["total_attempts"] == ATTEMPTS + 5


async def test_a_cascade_is_counted_in_full() -> None:
    """The list of ids is cut, the total is not."""
    async with calling() as agent:
        root = await agent.enqueue()
        fan = [{"description": "x", "prerequisites": [root]} for _ in range(1_500)]
        await agent("task_enqueue_many", tasks=fan)
        done = await agent("task_complete", **await agent.claim())
        assert len(done["unblocked"]) == 1_000 and done["total_unblocked"] == 1_500
        plan = await agent("task_execution_plan")
        assert plan["max_parallelism"] == 1_500 and len(json.dumps(plan)) < PAGE


async def test_a_rare_filter_gives_no_empty_page() -> None:
    """The one match is found behind thousands of others."""
    async with calling() as agent:
        wanted = await agent.enqueue(group="rare")
        for _ in range(2):
            await agent("task_enqueue_many", tasks=[{"description": "x"} for _ in range(4_000)])
        page = await agent("task_list", group="rare")
        assert [row["task_id"] for row in page["tasks"]] == [wanted]
