"""What a peer is: a task queue that does three things, each on a new file or an empty server.

It measures itself, so that only what it answers for is timed: files and servers are made
ready before, and so are the tasks, which are those of `benchmarks/workload.py` for everybody.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

import msgspec

from benchmarks.workload import Bench, open_specs
from scheduler import TaskSpec

BATCH = 1_000  # tasks of one bulk call
RESULT = {"ok": True}


class Survival(msgspec.Struct, frozen=True):
    """What is left, each in a few words.

    Of tasks whose enqueue was answered, after a kill of the process that asked and after a loss
    of power; and what becomes of a task whose worker was killed.
    """

    process_kill: str
    power_loss: str
    killed_worker: str


ALL = "all"
LAST_COMMITS_LOST = "all but the last commits"


class Peer(Protocol):
    """Each measure works through so many tasks, and returns tasks a second.

    A peer without a bulk call returns None for it. A cycle is enqueue, take and finish with a
    small result, all three answered. A peer that brings its own worker is given all the tasks
    one by one, and the worker runs until the last of them is finished.
    """

    @property
    def survival(self) -> Survival: ...
    def enqueue_single(self, count: int) -> float: ...
    def enqueue_bulk(self, count: int) -> float | None: ...
    def cycle(self, count: int) -> float: ...


Opened = Callable[[Bench], AbstractContextManager[Peer]]


class Missing(Exception):
    """A peer cannot run here; the text says why."""


def library(name: str) -> ModuleType:
    """The module of a library that need not be installed. Raises `Missing`."""
    try:
        return import_module(name)
    except ImportError as error:
        raise Missing(f"{name.partition('.')[0]} is not installed") from error


def rate(count: int, work: Callable[[Sequence[TaskSpec]], object]) -> float:
    """Tasks a second of `work`, which gets so many tasks."""
    specs = open_specs(count)
    began = time.perf_counter()
    work(specs)
    return count / (time.perf_counter() - began)


async def rate_async(count: int, work: Callable[[Sequence[TaskSpec]], Awaitable[object]]) -> float:
    """The same of work that awaits."""
    specs = open_specs(count)
    began = time.perf_counter()
    await work(specs)
    return count / (time.perf_counter() - began)


def message(spec: TaskSpec) -> str:
    """A task as text, for a queue of texts."""
    return json.dumps({"description": spec.description, "payload": spec.payload})


def batches(specs: Sequence[TaskSpec], size: int = BATCH) -> list[Sequence[TaskSpec]]:
    return [specs[start : start + size] for start in range(0, len(specs), size)]


def handle(description: str, payload: dict[str, Any]) -> dict[str, bool]:
    """The work itself, for queues that call a function: none."""
    return RESULT
