"""An asyncio loop that outlives what the handlers in it leave behind.

A task of a handler's own that calls sys.exit, or gets Ctrl-C, would end the loop, and with it the
jobs of all other handlers; so would an error in a callback under trio-asyncio, and a call of
`loop.stop`. The loop of an asyncio program is its own, and left as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from scheduler.workers.running import Fail


class ExitInTask(RuntimeError):
    """What a task ends by that called sys.exit, for those who wait for it."""


def guard_tasks(loop: asyncio.AbstractEventLoop, fail: Fail) -> None:
    """Let tasks end by an error instead of ending the loop; an interrupt goes to `fail`."""
    loop.set_task_factory(partial(_make_task, fail))


@contextmanager
def guarded(loop: asyncio.AbstractEventLoop, fail: Fail) -> Iterator[None]:
    """The same for a loop under trio-asyncio; within the block nobody can stop it, either.

    Errors that nobody waits for are logged, as in every other asyncio loop, and not raised.
    """
    guard_tasks(loop, fail)
    loop.set_exception_handler(asyncio.BaseEventLoop.default_exception_handler)  # type: ignore[arg-type]
    loop.stop = _refuse_to_stop  # type: ignore[method-assign]
    try:
        yield
    finally:
        del loop.stop  # that of its class again


def _make_task(
    fail: Fail,
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, Any],
    **options: Any,
) -> asyncio.Task[Any]:
    if not asyncio.iscoroutine(work):  # as asyncio itself says it, where the task is made
        raise TypeError(f"a coroutine was expected, got {work!r}")
    task = asyncio.Task(_bounded(work, fail), loop=loop, **options)
    # Of a task that is cancelled before it starts, `_bounded` never gets as far as to `work`,
    # about which Python would warn that it was never awaited.
    task.add_done_callback(lambda _: work.close())
    return task


async def _bounded(work: Coroutine[Any, Any, Any], fail: Fail) -> Any:
    try:
        return await work
    except SystemExit as error:
        raise ExitInTask(f"a task called sys.exit({error.code!r})") from error
    except KeyboardInterrupt as error:
        fail(error)
        raise ExitInTask("a task was interrupted") from error


def nobody_hears(error: BaseException) -> None:
    """For a loop in which an interrupt is an error like any other."""


def _refuse_to_stop() -> None:
    raise RuntimeError(
        "a handler cannot stop the asyncio loop that it shares with the others: return instead"
    )
