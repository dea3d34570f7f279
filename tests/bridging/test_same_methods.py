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

PLAIN = {"changes", "on_event"}  # not awaited in any world


def _public(kind: type) -> dict[str, Any]:
    return {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}


def _parameters(method: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(method).parameters.values())


def test_the_blocking_handle_lacks_no_command_and_has_no_other() -> None:
    """A command that is added to Handle must be added there."""
    assert _public(BlockingHandle).keys() == _public(Handle).keys()


@pytest.mark.parametrize("name", sorted(_public(Handle)))
def test_a_blocking_method_has_the_signature_of_its_model(name: str) -> None:
    """Parameters, their kinds, defaults and annotations."""
    assert _parameters(getattr(BlockingHandle, name)) == _parameters(getattr(Handle, name))


@pytest.mark.parametrize("name", sorted(_public(Handle).keys() - PLAIN))
def test_a_blocking_method_returns_what_its_model_is_awaited_for(name: str) -> None:
    """The same annotation; it is documented, and nothing to be awaited."""
    method, model = getattr(BlockingHandle, name), getattr(Handle, name)
    assert inspect.signature(method).return_annotation == inspect.signature(model).return_annotation
    assert inspect.iscoroutinefunction(model)
    assert not inspect.iscoroutinefunction(method)
    assert method.__doc__ == model.__doc__


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
