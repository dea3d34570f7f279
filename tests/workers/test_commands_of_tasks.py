"""Commands that a function makes from the task."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from scheduler import GiveUp, InvalidRequest, Scheduler, Status, Task, open_scheduler


def adding(task: Task) -> list[str]:
    one, other = task.payload
    return [sys.executable, "-c", f"print({one} + {other})"]


async def worked_off(run: Callable[[Task], Any], payload: object) -> Task:
    async with open_scheduler() as scheduler:
        scheduler.handler("sums", run=run)
        task = await scheduler.enqueue("add", agent_type="sums", payload=payload)
        await scheduler.run_workers(until_idle=True)
        return await scheduler.get(task)


@pytest.mark.process
async def test_each_task_has_a_command_of_its_own() -> None:
    """What the function returns is run as any command is."""
    for payload, result in (([1, 2], 3), ([20, 22], 42)):
        task = await worked_off(adding, payload)
        assert (task.status, task.result) == (Status.COMPLETED, result)


async def test_what_the_function_raises_fails_the_attempt() -> None:
    """With its traceback, as in any handler."""

    def careful(task: Task) -> list[str]:
        if task.payload is None:
            raise GiveUp("there is nothing to add")
        return adding(task)

    task = await worked_off(careful, None)
    assert task.status is Status.FAILED
    assert task.attempt == 1
    assert (task.error or "").endswith("gave up: there is nothing to add")


@pytest.mark.parametrize("words", ["ls -l", [], ["ls", 1], ["l\0s"], None])
async def test_what_is_no_command_fails_the_task(words: object) -> None:
    """For good: the next attempt would only be told the same."""
    task = await worked_off(lambda _: words, [1, 2])
    assert (task.status, task.attempt) == (Status.FAILED, 1)
    assert "its command is no list of words, one str each: " in (task.error or "")


async def asynchronous(task: Task) -> list[str]:
    return adding(task)


def of_two(task: Task, folder: str) -> list[str]:
    return [*adding(task), folder]


@pytest.mark.parametrize(
    ("run", "hint"),
    [
        (asynchronous, "Define it without async"),
        (of_two, "Write def command(task)"),
    ],
)
async def test_functions_that_cannot_make_a_command(run: Any, hint: str) -> None:
    """Refused where they are registered, with the fix."""
    async with open_scheduler() as scheduler:
        with pytest.raises(InvalidRequest) as refused:
            register(scheduler, run)
    assert hint in (refused.value.hint or "")


def register(scheduler: Scheduler, run: Any) -> None:
    scheduler.handler("sums", run=run)
