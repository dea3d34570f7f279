"""`task_wait`: answered when it should be, and no change is missed between two calls."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from scheduler import testing
from scheduler.endpoint.tools import waiting
from tests.endpoint.tool_calls import UNKNOWN_ID, Caller, calling, virtual


async def complete_after(agent: Caller, seconds: float) -> None:
    """One task, at that time."""
    claim = await agent.claim()
    await trio.sleep(seconds)
    await agent("task_complete", **claim)


@virtual
async def test_it_waits_until_all_tasks_have_finished() -> None:
    """Not until the first has."""
    async with calling() as agent, trio.open_nursery() as nursery:
        first, second = await agent.enqueue(base_priority=9), await agent.enqueue()
        nursery.start_soon(complete_after, agent, 5)
        nursery.start_soon(complete_after, agent, 12)
        before = trio.current_time()
        found = await agent("task_wait", task_ids=[first, second])
        assert 12 <= trio.current_time() - before < 13
        assert found["finished"] is True
        assert [row["status"] for row in found["changed"]] == ["completed", "completed"]


@virtual
async def test_a_wait_that_ends_says_how_things_stand() -> None:
    """After 30 s by default, and never after more than 50 s."""
    async with calling() as agent:
        task = await agent.enqueue()
        before = trio.current_time()
        found = await agent("task_wait", task_ids=task)
        assert 29 < trio.current_time() - before < 31
        assert found["finished"] is False and found["changed"][0]["status"] == "ready"
        before = trio.current_time()
        found = await agent("task_wait", since=found["sequence"], wait_seconds=50)
        assert 49 < trio.current_time() - before <= 50
        assert found["changed"] == [] and found["has_more"] is False


@virtual
async def test_since_is_answered_at_the_first_change() -> None:
    """Among the given tasks, if some are given; changes of others do not count."""
    async with calling() as agent, trio.open_nursery() as nursery:
        noisy, wanted = await agent.enqueue(), await agent.enqueue()
        sequence = (await agent("task_queue_status"))["sequence"]

        async def change() -> None:
            await trio.sleep(3)
            await agent("task_update", task_id=noisy, base_priority=1)
            await trio.sleep(3)
            await agent("task_update", task_id=wanted, base_priority=2)

        nursery.start_soon(change)
        before = trio.current_time()
        found = await agent("task_wait", since=sequence, task_ids=[wanted])
        assert 6 <= trio.current_time() - before < 7
        assert [row["task_id"] for row in found["changed"]] == [wanted]
        assert found["finished"] is False
        later = await agent("task_wait", since=sequence)
        assert {row["task_id"] for row in later["changed"]} == {noisy, wanted}


@virtual
async def test_no_change_is_missed_between_calls() -> None:
    """Whatever happens between two waits is told by the second."""
    async with calling() as agent:
        task = await agent.enqueue()
        sequence = (await agent("task_wait", task_ids=[task], wait_seconds=0))["sequence"]
        for _ in range(5):
            await agent.enqueue()
            found = await agent("task_wait", since=sequence, wait_seconds=0)
            assert len(found["changed"]) == 1
            sequence = found["sequence"]
        assert (await agent("task_wait", since=sequence, wait_seconds=0))["changed"] == []


@virtual
async def test_without_arguments_it_waits_for_anything_from_now_on() -> None:
    """What was before does not count."""
    async with calling() as agent, trio.open_nursery() as nursery:
        await agent.enqueue()

        async def later() -> None:
            await trio.sleep(4)
            await agent.enqueue("new")

        nursery.start_soon(later)
        (row,) = (await agent("task_wait"))["changed"]
        assert row["summary"] == "new"


@virtual
async def test_finished_tasks_are_not_waited_for() -> None:
    """Nothing more can come, with `since` neither."""
    async with calling() as agent:
        task = await agent.enqueue()
        await agent("task_complete", **await agent.claim())
        sequence = (await agent("task_queue_status"))["sequence"]
        before = trio.current_time()
        found = await agent("task_wait", task_ids=[task], since=sequence)
        assert found["finished"] is True and found["changed"] == []
        assert trio.current_time() - before < 1


@virtual
async def test_many_changes_come_in_pages() -> None:
    """Going on from each sequence gives every task once."""
    async with calling() as agent:
        total = waiting.CHANGES + 20
        await agent(
            "task_enqueue_many", tasks=[{"description": "long " * 28} for _ in range(total)]
        )
        seen: list[str] = []
        sequence, more, pages = 0, True, 0
        while more:
            found = await agent("task_wait", since=sequence, wait_seconds=0)
            seen += [row["task_id"] for row in found["changed"]]
            sequence, more = found["sequence"], found["has_more"]
            pages += 1
        assert len(seen) == len(set(seen)) == total and pages > 2


@virtual
async def test_what_cannot_be_waited_for_is_refused() -> None:
    """Too long a wait, an unknown task, a sequence that has not been reached."""
    async with calling() as agent:
        await agent.enqueue()
        body = await agent.refused("task_wait", wait_seconds=600)
        assert (body["field"], body["received"]) == ("wait_seconds", 600)
        assert "0 to 50" in body["allowed"] and "call task_wait again" in body["hint"]
        body = await agent.refused("task_wait", task_ids=[UNKNOWN_ID], since=0)
        assert (body["code"], body["field"]) == ("unknown_task", "task_ids")
        body = await agent.refused("task_wait", since=10**9)
        assert body["field"] == "since" and "task_queue_status" in body["hint"]


@virtual
async def test_a_deadline_too_near_to_wait_for_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of a microsecond is lost in Unix seconds: to ask again would never end."""
    async with testing.open_scheduler() as scheduler:
        reads = 0
        read_changes = scheduler.read_changes

        async def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal reads
            reads += 1
            assert reads < 5
            return await read_changes(*arguments, **options)

        monkeypatch.setattr(scheduler, "read_changes", counted)
        deadline = trio.current_time() + 1e-7
        found = await waiting._first_changes(scheduler, 0, None, deadline)
        assert found["changed"] == []
