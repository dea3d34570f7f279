"""The handle for threads: each method of Handle, blocking."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from scheduler.domain.views import Change
from scheduler.handle import ChangeFeed, Handle

P = ParamSpec("P")
T = TypeVar("T")


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns that never suspends, because its door blocks the thread."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    coroutine.close()
    raise RuntimeError("a coroutine that was to block the thread has suspended")


def blocking(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[BlockingHandle, P], T]:
    """The same method for BlockingHandle: called without `await`, with the same arguments."""

    @wraps(method)
    def call(self: BlockingHandle, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return finish(method(self._handle, *args, **kwargs))

    return call


def direct(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[BlockingHandle, P], T]:
    """The same method for BlockingHandle, of one that awaits nothing."""

    @wraps(method)
    def call(self: BlockingHandle, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return method(self._handle, *args, **kwargs)

    return call


class BlockingHandle:
    """The commands of a running scheduler, for threads.

    Its methods are those of the Trio handle, where they are documented, without `await`; any
    number of threads may use it at a time. Ctrl-C cancels a call that waits.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    enqueue = blocking(Handle.enqueue)
    enqueue_many = blocking(Handle.enqueue_many)
    claim = blocking(Handle.claim)
    heartbeat = blocking(Handle.heartbeat)
    complete = blocking(Handle.complete)
    complete_many = blocking(Handle.complete_many)
    fail = blocking(Handle.fail)
    release = blocking(Handle.release)
    release_holders = blocking(Handle.release_holders)
    cancel = blocking(Handle.cancel)
    retry = blocking(Handle.retry)
    update = blocking(Handle.update)
    add_prerequisites = blocking(Handle.add_prerequisites)
    get = blocking(Handle.get)
    details = blocking(Handle.details)
    list = blocking(Handle.list)
    queue_status = blocking(Handle.queue_status)
    why_idle = blocking(Handle.why_idle)
    execution_plan = blocking(Handle.execution_plan)
    explain = blocking(Handle.explain)
    wait = blocking(Handle.wait)
    read_changes = blocking(Handle.read_changes)
    pause = blocking(Handle.pause)
    drain = blocking(Handle.drain)
    set_limit = blocking(Handle.set_limit)
    set_share = blocking(Handle.set_share)
    limits = blocking(Handle.limits)
    resume = blocking(Handle.resume)
    flush = blocking(Handle.flush)
    revoked = blocking(Handle.revoked)

    on_event = direct(Handle.on_event)

    def changes(self, since: int | None = None) -> BlockingChangeFeed:
        """Every change after sequence `since` (None: from now on), until the scheduler closes.

            for change in scheduler.changes(since=last_seen):
                ...

        As the one for Trio otherwise; the loop blocks while there is none.
        """
        return BlockingChangeFeed(self._handle.changes(since))


class BlockingChangeFeed:
    """The changes of a scheduler, one by one; may be left at any point."""

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed

    def __iter__(self) -> BlockingChangeFeed:
        return self

    def __next__(self) -> Change:
        try:
            return finish(self._feed.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None
