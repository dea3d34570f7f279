"""What could never run is refused where it is registered, with the fix."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import trio

from scheduler import GiveUp, InvalidRequest, Job, Retry, RetryPolicy, Scheduler

from .conftest import working

VIRTUAL_TIME = True


async def work(job: Any) -> None:
    """Takes a job, and does nothing."""


def plain(job: Any) -> None:
    """The same, for a thread."""


async def no_parameter() -> None:
    """Takes no job."""


async def two_parameters(job: Any, other: Any) -> None:
    """Wants more than a job."""


def generator(job: Any) -> Iterator[int]:
    yield 1


async def async_generator(job: Any) -> AsyncIterator[int]:
    yield 1


class Handles:
    """An object that is called."""

    async def __call__(self, job: Job) -> str:
        return f"{job.task.description} by an object"


def refused(register: Callable[[], object], field: str, hint: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        register()
    assert caught.value.field == field
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("options", "field", "hint"),
    [
        ({"agent_type": ""}, "agent_type", "short plain name"),
        ({"concurrency": 0}, "concurrency", "from 1 to 1000"),
        ({"concurrency": 2.5}, "concurrency", "a whole number"),
        ({"concurrency": 1_001}, "concurrency", "from 1 to 1000"),
        ({"timeout": 0}, "timeout", "from 0.001"),
        ({"timeout": -1.0}, "timeout", "from 0.001"),
        ({"timeout": float("nan")}, "timeout", "from 0.001"),
        ({"grace": -1}, "grace", "from 0"),
        ({"retry": 3}, "retry", "RetryPolicy(first=5"),
        ({"kind": "gevent"}, "kind", "Leave kind out"),
        ({"kind": "thread"}, "kind", "without async"),
        ({"kind": "subprocess"}, "kind", "run="),
        ({"own_thread": True}, "own_thread", "Leave own_thread out"),
    ],
    ids=str,
)
async def test_an_option_out_of_range(
    scheduler: Scheduler, options: dict[str, Any], field: str, hint: str
) -> None:
    arguments = {"agent_type": "builder"} | options
    refused(lambda: scheduler.handler(**arguments)(work), field, hint)


async def test_what_can_be_told_before_there_is_a_function(scheduler: Scheduler) -> None:
    """Is told at once: the decorator may never be called, or be taken for the handler."""
    refused(lambda: scheduler.handler("builder", timeout=-1), "timeout", "from 0.001")
    bare: Any = scheduler.handler
    refused(lambda: bare(work), "agent_type", '@scheduler.handler("builder")')


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (None, "Pass a function"),
        ("build", "Pass a function"),
        (generator, "Return the result"),
        (async_generator, "Return the result"),
        (no_parameter, "def handler(job)"),
        (two_parameters, "functools.partial"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
async def test_what_is_no_handler(scheduler: Scheduler, function: Any, hint: str) -> None:
    refused(lambda: scheduler.handler("builder")(function), "function", hint)


async def test_a_function_that_was_called(scheduler: Scheduler) -> None:
    """The coroutine is closed, so Python does not warn of it as well."""
    refused(lambda: scheduler.handler("x")(work(None)), "function", "without calling it")  # type: ignore[type-var]


@pytest.mark.parametrize("kind", ["trio", "asyncio"])
async def test_a_plain_function_is_of_no_loop(scheduler: Scheduler, kind: Any) -> None:
    refused(lambda: scheduler.handler("x", kind=kind)(plain), "kind", "Define it with async")


@pytest.mark.parametrize(
    "words",
    [[], "python job.py", [""], ["no-such-program-anywhere"], ["sh", 3], ["sh", "a\0b"], b"sh"],
    ids=repr,
)
async def test_a_command_that_cannot_be_run(scheduler: Scheduler, words: Any) -> None:
    """No words, a line for a shell, or a program that is not there."""
    refused(lambda: scheduler.handler("shell", run=words), "run", "")


async def test_a_command_takes_no_function(scheduler: Scheduler) -> None:
    decorator = scheduler.handler("shell", run=["true"])
    refused(lambda: decorator(work), "function", "Leave run out")


async def test_an_agent_type_twice(scheduler: Scheduler) -> None:
    """Whatever the kinds are; the first one stays."""
    scheduler.handler("builder")(work)
    refused(lambda: scheduler.handler("builder")(plain), "agent_type", "concurrency")
    refused(lambda: scheduler.handler("builder", run=["true"]), "agent_type", "concurrency")


async def test_a_handler_while_workers_run(scheduler: Scheduler) -> None:
    scheduler.handler("builder")(work)
    async with working(scheduler):
        await trio.sleep(1)
        refused(lambda: scheduler.handler("late")(work), "agent_type", "Register all handlers")
    scheduler.handler("late")(work)


async def test_no_handlers(scheduler: Scheduler) -> None:
    with pytest.raises(InvalidRequest, match="no handler is registered"):
        await scheduler.run_workers()


async def test_workers_run_once_at_a_time(scheduler: Scheduler) -> None:
    """A second call is refused while the first runs, and served after it."""
    scheduler.handler("builder")(work)
    async with working(scheduler):
        await trio.sleep(1)
        with pytest.raises(InvalidRequest, match="runs on this handle already"):
            await scheduler.run_workers()
    await scheduler.run_workers(until_idle=True)


@pytest.mark.parametrize("lease", [0.5, 100_000])
async def test_a_lease_out_of_range(scheduler: Scheduler, lease: float) -> None:
    scheduler.handler("builder")(work)
    with pytest.raises(InvalidRequest, match="lease is out of range"):
        await scheduler.run_workers(lease=lease)


async def test_what_is_callable_is_a_handler(scheduler: Scheduler) -> None:
    """An object, a method, and a function with some arguments bound."""
    scheduler.handler("object")(Handles())

    async def greet(greeting: str, job: Job) -> str:
        return f"{greeting} {job.task.description}"

    scheduler.handler("partial")(functools.partial(greet, "hello"))
    first = await scheduler.enqueue("one", agent_type="object")
    second = await scheduler.enqueue("two", agent_type="partial")
    await scheduler.run_workers(until_idle=True)
    assert (await scheduler.get(first)).result == "one by an object"
    assert (await scheduler.get(second)).result == "hello two"


@pytest.mark.parametrize(
    "options",
    [{"first": -1}, {"factor": 0.5}, {"cap": -1}, {"attempts": 0}, {"give_up_on": ValueError}],
    ids=str,
)
def test_a_policy_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        RetryPolicy(**options)


def test_orders_out_of_range() -> None:
    with pytest.raises(InvalidRequest):
        Retry(after=-1)
    assert GiveUp().reason
