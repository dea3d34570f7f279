"""What a handler gets, and what its end means for the task."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
import trio

from scheduler import GiveUp, Job, Retry, RetryPolicy, Scheduler, Status, TaskSpec

from .conftest import work_off

VIRTUAL_TIME = True


async def test_a_value_is_the_result(scheduler: Scheduler) -> None:
    @scheduler.handler("general")
    async def work(job: Job) -> dict[str, Any]:
        return {"payload": job.payload, "attempt": job.task.attempt}

    (task,) = await work_off(scheduler, "work", payload=[1, 2])
    assert task.status is Status.COMPLETED
    assert task.result == {"payload": [1, 2], "attempt": 1}


async def test_results_of_prerequisites(scheduler: Scheduler) -> None:
    """A handler reads what its prerequisites have left."""

    @scheduler.handler("general")
    async def work(job: Job) -> Any:
        return sum(job.results.values()) if job.results else job.payload

    parts = [TaskSpec(f"part {n}", payload=n) for n in (3, 4)]
    made = await scheduler.enqueue_many([*parts, TaskSpec("sum", prerequisites=parts)])
    await scheduler.run_workers(until_idle=True)
    assert (await scheduler.get(made[2])).result == 7


async def test_children(scheduler: Scheduler) -> None:
    """Enqueued by a job, they have its task as parent, in a graph of their own."""

    @scheduler.handler("general")
    async def plan(job: Job) -> list[str]:
        build = TaskSpec("build", agent_type="child")
        test = TaskSpec("test", agent_type="child", prerequisites=[build])
        made = await job.enqueue_many([build, test])
        made += [await job.enqueue("clean", agent_type="child", run_after=[made[1]])]
        return [task.id for task in made]

    ran: list[str] = []

    @scheduler.handler("child")
    async def child(job: Job) -> None:
        ran.append(job.task.description)

    (parent,) = await work_off(scheduler, "plan")
    assert ran == ["build", "test", "clean"]
    assert {(await scheduler.get(id)).parent_id for id in parent.result} == {parent.id}


async def test_a_parent_of_its_own(scheduler: Scheduler) -> None:
    """A spec that names a parent keeps it."""
    other = await scheduler.enqueue("other", agent_type="nobody")

    @scheduler.handler("general")
    async def plan(job: Job) -> str:
        return (await job.enqueue(TaskSpec("x", agent_type="no", parent_id=other))).parent_id or ""

    (task,) = await work_off(scheduler, "plan")
    assert task.result == other.id


async def test_progress(scheduler: Scheduler) -> None:
    seen: list[tuple[float | None, str | None]] = []

    @scheduler.handler("general")
    async def work(job: Job) -> None:
        await job.report(0.5, "half way")
        task = await job.scheduler.get(job.task)
        seen.append((task.progress, task.note))

    await work_off(scheduler, "work")
    assert seen == [(0.5, "half way")]


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"files": [1, {2}]}, "result['files'][1]"),
        ({1: "x"}, "the key 1 of result"),
        (float("nan"), "result"),
        (["ok", "\ud800"], "result[1]"),
        (object(), "result"),
    ],
    ids=lambda value: type(value).__name__ if type(value) is object else repr(value),
)
async def test_what_is_no_json(scheduler: Scheduler, value: Any, place: str) -> None:
    """The task fails for good at once, and is told which part is at fault."""

    @scheduler.handler("general")
    async def work(job: Job) -> Any:
        return value

    (task,) = await work_off(scheduler, "work")
    assert (task.status, task.attempt) == (Status.FAILED, 1)
    assert task.error is not None
    assert "work for 'general' returned no JSON" in task.error
    assert f"at {place}" in task.error


async def test_results_too_large_or_deep(scheduler: Scheduler) -> None:
    values: list[Any] = ["x" * 300_000, []]
    values[1].append(values[1])

    @scheduler.handler("general", concurrency=2)
    async def work(job: Job) -> Any:
        return values[job.payload]

    (large,) = await work_off(scheduler, "large", payload=0)
    (deep,) = await work_off(scheduler, "deep", payload=1)
    assert "300,002 bytes" in (large.error or "")
    assert "nested too deep" in (deep.error or "")


async def test_a_coroutine_as_result(scheduler: Scheduler) -> None:
    """Of a plain function that should have been a coroutine function."""

    async def inner() -> None:
        """Never run."""

    @scheduler.handler("general")
    async def work(job: Job) -> Any:
        return inner()

    (task,) = await work_off(scheduler, "work")
    assert "Register the coroutine function itself" in (task.error or "")


async def test_an_exception_is_the_story(scheduler: Scheduler) -> None:
    """With the traceback from the handler's own line on; attempts follow with a back-off."""

    @scheduler.handler("general")
    async def work(job: Job) -> None:
        raise ValueError(f"attempt {job.task.attempt} \udcff\0")

    began = trio.current_time()
    (task,) = await work_off(scheduler, "work", max_attempts=3)
    assert (task.status, task.attempt) == (Status.FAILED, 3)
    assert trio.current_time() - began >= 0.5 + 1.0
    assert task.error is not None
    first, *lines = task.error.splitlines()
    assert first.endswith("work for 'general' failed")
    assert lines[0] == "Traceback (most recent call last):"
    assert __file__ in lines[1]
    assert lines[-1].startswith("ValueError: attempt 3")
    assert "pool.py" not in task.error


async def test_a_long_story_keeps_its_end(scheduler: Scheduler) -> None:
    @scheduler.handler("general")
    async def work(job: Job) -> None:
        raise ValueError("x" * 200_000 + " the end")

    (task,) = await work_off(scheduler, "work", max_attempts=1)
    assert task.error is not None
    assert len(task.error) < 20_000
    assert "bytes left out" in task.error
    assert task.error.endswith("the end")


async def test_an_exception_that_cannot_be_told(scheduler: Scheduler) -> None:
    """Its own text raises; the task fails all the same."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    @scheduler.handler("general")
    async def work(job: Job) -> None:
        raise Mute

    (task,) = await work_off(scheduler, "work", max_attempts=1)
    assert task.status is Status.FAILED


@pytest.mark.parametrize("after", [90, timedelta(minutes=1, seconds=30)])
async def test_retry_says_when(scheduler: Scheduler, after: float | timedelta) -> None:
    starts: list[float] = []

    @scheduler.handler("general")
    async def work(job: Job) -> int:
        starts.append(trio.current_time())
        if job.task.attempt == 1:
            raise Retry(after=after, reason="the registry is down")
        return job.task.attempt

    (task,) = await work_off(scheduler, "work")
    assert task.result == 2
    assert starts[1] - starts[0] == pytest.approx(90)
    attempts = (await scheduler.details(task)).attempts
    assert "the registry is down" in (attempts[0].error or "")


async def test_retry_spends_attempts(scheduler: Scheduler) -> None:
    @scheduler.handler("general")
    async def work(job: Job) -> None:
        raise Retry(after=1)

    (task,) = await work_off(scheduler, "work", max_attempts=2)
    assert (task.status, task.attempt) == (Status.FAILED, 2)


@pytest.mark.parametrize("wrapped", [False, True])
async def test_give_up(scheduler: Scheduler, wrapped: bool) -> None:
    """At once, also from inside a nursery of the handler."""

    async def refuse() -> None:
        raise GiveUp("no such branch")

    @scheduler.handler("general")
    async def work(job: Job) -> None:
        if not wrapped:
            await refuse()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse)

    (task,) = await work_off(scheduler, "work")
    assert (task.status, task.attempt) == (Status.FAILED, 1)
    assert (task.error or "").endswith("gave up: no such branch")


async def test_a_policy(scheduler: Scheduler) -> None:
    """Its own delays; some errors for good, others up to its own number of attempts."""
    starts: list[float] = []
    policy = RetryPolicy(first=10, factor=3, jitter=False, attempts=3, give_up_on=(KeyError,))

    @scheduler.handler("general", retry=policy)
    async def work(job: Job) -> None:
        starts.append(trio.current_time())
        raise KeyError("x") if job.payload else ValueError("y")

    (value,) = await work_off(scheduler, "value", max_attempts=9)
    assert (value.status, value.attempt) == (Status.FAILED, 3)
    assert [round(b - a) for a, b in itertools.pairwise(starts)] == [10, 30]
    (key,) = await work_off(scheduler, "key", payload=True, max_attempts=9)
    assert key.attempt == 1


async def test_a_policy_of_what_to_retry(scheduler: Scheduler) -> None:
    @scheduler.handler("general", retry=RetryPolicy(retry_on=(OSError,)))
    async def work(job: Job) -> None:
        raise ConnectionError if job.payload else ValueError

    (value,) = await work_off(scheduler, "value", max_attempts=2)
    assert value.attempt == 1
    (connection,) = await work_off(scheduler, "connection", payload=1, max_attempts=2)
    assert connection.attempt == 2


async def test_an_asyncio_function_run_as_trio(scheduler: Scheduler) -> None:
    """The error names the fix, and is not repeated."""
    import asyncio

    @scheduler.handler("general")
    async def work(job: Job) -> None:
        await asyncio.sleep(1)

    (task,) = await work_off(scheduler, "work")
    assert task.attempt == 1
    assert 'register it with kind="asyncio"' in (task.error or "")
