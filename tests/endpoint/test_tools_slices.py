"""Tools fetch no more at a time than what fits through the socket between two processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from scheduler import Scheduler, StoreUnavailable, TaskSpec, connect
from scheduler.endpoint import tools
from scheduler.endpoint.tools import claiming
from tests.endpoint.tool_calls import Caller, calling, virtual

FAT = "x" * 40_000
TASKS = 120


@asynccontextmanager
async def beside_the_owner(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Caller]:
    """An agent in another process than the actors; all tasks together are too many for the way."""
    with trio.fail_after(60):
        async with connect(path, durability="accepted") as owner, connect(path) as other:
            await owner.enqueue_many([TaskSpec(FAT, group="g") for _ in range(TASKS)])
            monkeypatch.setattr("scheduler.sharing.framing.LARGEST", TASKS * len(FAT) // 2)
            yield Caller(other)


async def test_claims_of_large_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the limit: one is held, and the others stay ready."""
    async with beside_the_owner(tmp_path / "tasks.db", monkeypatch) as agent:
        claims = (await agent("task_claim", agent="anna", limit=1_000))["claims"]
        status = await agent("task_queue_status")
        assert (len(claims), status["running"], status["ready"]) == (1, 1, TASKS - 1)


async def test_lists_of_large_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short row needs little room, however large the task."""
    async with beside_the_owner(tmp_path / "tasks.db", monkeypatch) as agent:
        page = await agent("task_list", limit=500)
        assert len(page["tasks"]) == TASKS and page["has_more"] is False


async def test_changes_of_large_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, and those of many tasks that are named."""
    async with beside_the_owner(tmp_path / "tasks.db", monkeypatch) as agent:
        found = await agent("task_wait", since=0, wait_seconds=0)
        ids = [row["task_id"] for row in found["changed"]]
        assert len(set(ids)) == TASKS and found["has_more"] is False
        found = await agent("task_wait", task_ids=ids, wait_seconds=0)
        assert [row["task_id"] for row in found["changed"]] == ids
        assert (found["finished"], found["has_more"]) == (False, False)


async def test_a_page_of_small_claims_is_filled() -> None:
    """In several slices, up to the limit or to the bound, and none goes back."""
    async with calling() as agent:
        await agent("task_enqueue_many", tasks=[{"description": "x"} for _ in range(300)])
        for limit, least, most in ((3, 3, 3), (21, 21, 21), (1_000, 60, 200)):
            before = (await agent("task_queue_status"))["running"]
            claims = (await agent("task_claim", agent="anna", limit=limit))["claims"]
            assert least <= len(claims) <= most
            assert len({claim["task_id"] for claim in claims}) == len(claims)
            status = await agent("task_queue_status")
            assert status["running"] - before == len(claims)
        (task,) = (await agent("task_list", status="ready", limit=1))["tasks"]
        assert (await agent("task_get", task_id=task["task_id"]))["attempts"] == []


async def test_no_slice_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the tasks before were: the next ones may be of any size."""
    asked: list[int] = []
    claim = Scheduler.claim

    async def counted(self: Scheduler, *names: Any, limit: int, **options: Any) -> Any:
        asked.append(limit)
        return await claim(self, *names, limit=limit, **options)

    monkeypatch.setattr(Scheduler, "claim", counted)
    async with calling() as agent:
        await agent("task_enqueue_many", tasks=[{"description": "x"} for _ in range(50)])
        await agent("task_claim", agent="anna", limit=1_000)
    assert max(asked) <= claiming.SLICE and sum(asked) <= 50 + claiming.SLICE


def failing_after(count: int, error: BaseException | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let claims fail from some call on; without an error, let them hang."""
    claim, calls = Scheduler.claim, [0]

    async def claim_or_fail(self: Scheduler, *names: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] > count:
            if error is not None:
                raise error
            await trio.sleep_forever()
        return await claim(self, *names, **options)

    monkeypatch.setattr(Scheduler, "claim", claim_or_fail)


async def test_what_is_held_is_told_though_the_next_slice_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error would hide it from its holder."""
    failing_after(1, StoreUnavailable("the disk is full"), monkeypatch)
    async with calling() as agent:
        await agent("task_enqueue_many", tasks=[{"description": "x"} for _ in range(50)])
        claims = (await agent("task_claim", agent="anna", limit=50))["claims"]
        assert len(claims) == claiming.SLICE
        assert (await agent("task_queue_status"))["running"] == claiming.SLICE


@virtual
async def test_a_claim_that_is_cancelled_between_two_slices_takes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it held already goes back."""
    failing_after(1, None, monkeypatch)
    async with calling() as agent:
        await agent("task_enqueue_many", tasks=[{"description": "x"} for _ in range(50)])
        with trio.move_on_after(1) as scope:
            arguments = {"agent": "anna", "limit": 50}
            await tools.call(agent.scheduler, "core", "task_claim", arguments)
        assert scope.cancelled_caught
        assert (await agent("task_queue_status"))["ready"] == 50


@virtual
async def test_a_claim_that_gives_back_ends_within_50_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also when it has waited, the next slice hangs, and the tasks cannot be given back."""
    failing_after(1, None, monkeypatch)

    async def hang(self: Scheduler, claim: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(Scheduler, "release", hang)
    async with calling() as agent, trio.open_nursery() as nursery:

        async def enqueue_late() -> None:
            await trio.sleep(49.4)
            await agent("task_enqueue_many", tasks=[{"description": FAT} for _ in range(3)])

        nursery.start_soon(enqueue_late)
        before = trio.current_time()
        (claim,) = (await agent("task_claim", agent="anna", limit=10, wait_seconds=50))["claims"]
        assert trio.current_time() - before <= 50
        assert claim["lease_token"]
