"""The parts of programs that docs/embedding.md and its neighbors show do what is said of them.

Whole programs among them are run word for word by tests/test_docs.py.
"""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

import scheduler as headrace
from scheduler import Job, Scheduler, Status, open_scheduler

DOCS = Path(__file__).parent.parent / "docs"
Names = dict[str, Any]


def part_with(page: str, words: str) -> str:
    """The only python block of the page that has these words."""
    parts = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    (part,) = [part for part in parts if words in part]
    assert isinstance(part, str)
    return part


async def perform(part: str, **given: Any) -> Names:
    """Run a part of a program that may await at its top; the names that it leaves."""
    names: Names = {name: getattr(headrace, name) for name in headrace.__all__} | given
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    waiting = eval(compile(part, "guide", "exec", flags, dont_inherit=True), names)
    if waiting is not None:
        await waiting
    return names


@pytest.mark.process
async def test_a_nursery_of_workers_and_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs until it is cancelled, and does what is enqueued from outside meanwhile."""
    monkeypatch.chdir(tmp_path)
    owned, done = trio.Event(), trio.Event()

    @asynccontextmanager
    async def opened(path: str) -> AsyncIterator[Scheduler]:
        async with open_scheduler(path) as scheduler:

            @scheduler.handler("general")
            async def work(_: Job) -> None:
                done.set()

            owned.set()
            yield scheduler

    part = part_with("embedding.md", "nursery.start_soon(scheduler.run_workers)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: perform(part, open_scheduler=opened, trio=trio))
        with trio.fail_after(20):
            await owned.wait()
            async with headrace.connect("tasks.db") as outside:
                await outside.enqueue("work")
                await done.wait()
        nursery.cancel_scope.cancel()


async def test_a_policy_and_a_retry() -> None:
    """Too many requests: once more after as long as the API says; else the body."""
    answers = [SimpleNamespace(status=429, retry_after=30), SimpleNamespace(status=200, body="b")]

    async def ask_the_api(_: object) -> SimpleNamespace:
        return answers.pop(0)

    async with open_scheduler() as scheduler:
        part = part_with("embedding.md", "ask_the_api")
        await perform(part, scheduler=scheduler, ask_the_api=ask_the_api)
        task = await scheduler.enqueue("work", agent_type="caller")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scheduler.run_workers)
            async for change in scheduler.changes(since=0):
                if change.task.status is Status.SCHEDULED:
                    break
            nursery.cancel_scope.cancel()
        assert len(answers) == 1
        task = await scheduler.update(task, not_before=None)
        assert (task.error or "").endswith("too many requests")
        await scheduler.run_workers(until_idle=True)
        assert (await scheduler.get(task)).result == "b"


async def test_children_that_what_waits_also_waits_for() -> None:
    """The dependent of the splitter begins when the children have succeeded."""
    async with open_scheduler() as scheduler:
        await perform(part_with("embedding.md", 'handler("splitter")'), scheduler=scheduler)
        order = []

        async def note(job: Job) -> None:
            order.append(job.task.description)

        for agent_type in ("checker", "last"):
            scheduler.handler(agent_type)(note)
        split = await scheduler.enqueue(
            "split", agent_type="splitter", payload={"names": ["a", "b"]}
        )
        await scheduler.enqueue("last", agent_type="last", prerequisites=[split])
        await scheduler.run_workers(until_idle=True)
        assert order == ["Check a", "Check b", "last"]
        children = (await scheduler.list(agent_type="checker")).tasks
        assert {child.parent_id for child in children} == {split.id}


def test_a_server_in_asyncio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It listens, and ends when it is cancelled."""
    monkeypatch.chdir(tmp_path)
    part = part_with("embedding-asyncio.md", "group.create_task(serve(")
    names = asyncio.run(perform(part, asyncio=asyncio))
    assert names["listening"].is_set()
    assert names["server"].cancelled()


async def test_the_limits_of_the_page() -> None:
    """Set, shared by a task, and lifted again."""
    async with open_scheduler() as scheduler:
        await perform(part_with("limits.md", "set_limit"), scheduler=scheduler)
        (limit,) = await scheduler.limits()
        assert (limit.name, limit.concurrency) == ("builder", 4)
