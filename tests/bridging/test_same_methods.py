"""One definition of the methods serves Trio, asyncio and threads."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import scheduler as for_trio
import scheduler.asyncio as for_asyncio
import scheduler.threads as for_threads
from scheduler.bridging.blocking import BlockingHandle
from scheduler.handle import Handle
from scheduler.threads import BlockingScheduler


def _public(kind: type) -> dict[str, Any]:
    return {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}


def _parameters(method: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(method).parameters.values())


OF_BOTH = [
    *((Handle, BlockingHandle, name) for name in sorted(_public(Handle))),
    *(
        (for_trio.Scheduler, BlockingScheduler, name)
        for name in sorted(_public(for_trio.Scheduler))
    ),
]


@pytest.mark.parametrize(
    ("model", "blocking"), [(Handle, BlockingHandle), (for_trio.Scheduler, BlockingScheduler)]
)
def test_a_blocking_class_lacks_no_method_and_has_no_other(model: type, blocking: type) -> None:
    """A method that is added to the one must be added to the other."""
    assert _public(blocking).keys() == _public(model).keys()


@pytest.mark.parametrize(("model", "blocking", "name"), OF_BOTH)
def test_a_blocking_method_has_the_signature_of_its_model(
    model: type, blocking: type, name: str
) -> None:
    """Parameters, their kinds, defaults and annotations; what it returns; nothing to await."""
    method, original = getattr(blocking, name), getattr(model, name)
    assert _parameters(method) == _parameters(original)
    assert not inspect.iscoroutinefunction(method)
    if name != "changes":  # a loop of its own
        ours, theirs = inspect.signature(method), inspect.signature(original)
        assert ours.return_annotation == theirs.return_annotation
        assert method.__doc__ == original.__doc__


def test_asyncio_programs_hold_the_same_class() -> None:
    """Types included."""

    async def main() -> type:
        async with for_asyncio.open_scheduler() as scheduler:
            return type(scheduler)

    assert asyncio.run(main()) is for_trio.Scheduler is for_asyncio.Scheduler


@pytest.mark.parametrize("world", [for_asyncio, for_threads])
@pytest.mark.parametrize("name", ["open_scheduler", "connect"])
def test_the_options_are_those_of_the_one_for_trio(world: Any, name: str) -> None:
    """One definition of them."""
    assert _parameters(getattr(world, name)) == _parameters(getattr(for_trio, name))


def test_importing_the_scheduler_loads_no_bridge() -> None:
    """Programs on Trio do not pay for asyncio."""
    code = "import sys, scheduler; scheduler.open_scheduler; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    loaded = done.stdout.split()
    assert "scheduler.embedding" in loaded
    assert not [name for name in loaded if name == "asyncio" or "bridging" in name]
