"""The handlers of one handle, and the pool that runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from scheduler import arguments as check
from scheduler.domain.errors import InvalidRequest
from scheduler.handle import Door, Handle
from scheduler.workers.command import Command
from scheduler.workers.executors import Executors
from scheduler.workers.handlers import (
    Handler,
    Kind,
    World,
    already_registered,
    check_options,
    make_handler,
)
from scheduler.workers.holders import holder_name, take_back
from scheduler.workers.pool import Pool
from scheduler.workers.steering import RetryPolicy

if TYPE_CHECKING:
    import asyncio


F = TypeVar("F", bound=Callable[..., Any])

_numbers = count()  # of the pools of this process


class Workers:
    """See the module. `world` is that of the program, `loop` its asyncio loop if it has one.

    `door` may be of any world; `run` and `end` are for Trio tasks in the thread of the actors.
    """

    def __init__(
        self,
        door: Door,
        sources: Mapping[str, float],
        world: World = "trio",
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._door = door
        self._sources = sources
        self._world: World = world
        self._loop = loop
        self._handlers: dict[str, Handler] = {}
        self._pool: Pool | None = None

    def register(
        self,
        agent_type: str,
        *,
        run: Command | None,
        kind: Kind | None,
        concurrency: int,
        timeout: float | None,
        retry: RetryPolicy | None,
        grace: float,
        own_thread: bool,
    ) -> Callable[[F], F]:
        """Register a command at once; else return the decorator that registers a function."""
        check_options(agent_type, concurrency, timeout, retry, grace)

        def add(function: F) -> F:
            self._add(
                make_handler(
                    agent_type,
                    function,
                    self._world,
                    run=run,
                    kind=kind,
                    concurrency=concurrency,
                    timeout=timeout,
                    retry=retry,
                    grace=grace,
                    own_thread=own_thread,
                )
            )
            return function

        if run is None:
            return add
        add(_no_function)
        return _command_and_function

    def _add(self, handler: Handler) -> None:
        if self._pool is not None:
            raise InvalidRequest(
                "a handler is registered while run_workers runs",
                field="agent_type",
                received=handler.agent_type,
                allowed="handlers that are registered before run_workers is called",
                hint="Register all handlers first, then call run_workers once.",
            )
        if handler.agent_type in self._handlers:
            raise already_registered(self._handlers[handler.agent_type])
        self._handlers[handler.agent_type] = handler

    async def run(self, *, until_idle: bool, holder: str | None, lease: float) -> None:
        """Run the handlers; see Scheduler.run_workers."""
        if holder is not None:
            check.name("holder", holder)
        check.number("lease", lease, 1, 86_400)
        if not self._handlers:
            raise InvalidRequest(
                "no handler is registered",
                field="run_workers",
                hint='Register one first: @scheduler.handler("builder") above a function.',
            )
        if self._pool is not None:
            raise InvalidRequest(
                "run_workers runs on this handle already",
                field="run_workers",
                allowed="one at a time",
                hint="Call it once; for more tasks at a time raise the concurrency of a handler.",
            )
        door, handlers = self._door.trio_door, list(self._handlers.values())
        self._pool = Pool(
            door,
            self._sources,
            handlers,
            Executors(door, self._sources, handlers, self._loop),
            holder=holder or holder_name("pool", next(_numbers)),
            lease=lease,
            until_idle=until_idle,
        )
        try:
            await take_back(Handle(door, self._sources), may_hold=True)
            await self._pool.run()
        finally:
            self._pool.ended.set()
            self._pool = None

    async def end(self) -> None:
        """Tell the pool to end, if one runs, and wait until it has; before the actors end."""
        if self._pool is not None:
            self._pool.stop()
            await self._pool.ended.wait()


def _no_function() -> None:
    """Stands for the command."""


def _command_and_function(function: Any) -> Any:
    raise InvalidRequest(
        "a handler with run=[...] is a command, and takes no function",
        field="function",
        received=getattr(function, "__qualname__", type(function).__name__),
        hint="Leave run out, or do not use it as a decorator.",
    )
