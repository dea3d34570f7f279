"""The owner's side: other processes connect, send commands, and get the answers.

Each command runs in a Trio task of its own, which is cancelled when nobody waits for it any
more: the actors then take back what they would have handed over, as they do for local callers.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import msgspec
import trio

from actors import messages as m
from actors.reply import Reply
from actors.system import System
from scheduler.domain.errors import InvalidRequest, SchedulerError, StoreNewer
from scheduler.domain.request_ids import check_request_id
from scheduler.handle import Scheduler
from scheduler.sharing import address as addresses
from scheduler.sharing import wire
from scheduler.sharing.framing import Framed

GREETING_TIME = 10.0  # seconds in which whoever connects must say hello


async def serve(
    scheduler: Scheduler, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Let other processes use the database of this scheduler, until cancelled.

        async with open_scheduler("tasks.db") as scheduler, trio.open_nursery() as nursery:
            await nursery.start(serve, scheduler)

    They reach it with `connect`, the command line, or as agents over MCP. The nursery must end
    before the scheduler closes. Raises InvalidRequest for a scheduler in memory, or one of
    another process, and StoreUnavailable if there is no place for a socket.
    """
    system = scheduler._door
    if not isinstance(system, System) or system.location == ":memory:":
        raise InvalidRequest(
            "this scheduler has no file of its own to share",
            field="scheduler",
            allowed="one that open_scheduler opened on a file",
            hint="Serve it in the process that has the file open.",
        )
    listener, where = await _listen(system.location)
    try:
        system.announce(where)
        server = Server(system, dict(scheduler._sources))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.accept, listener, nursery)
            task_status.started()
    finally:
        addresses.leave(where)


async def _listen(database: str) -> tuple[trio.SocketListener, str]:
    where = addresses.address_for(database)
    try:
        return await addresses.listen(where), where
    except OSError:
        where = addresses.elsewhere(database)
        return await addresses.listen(where), where


class Server:
    """What all connections have in common."""

    def __init__(self, system: System, sources: dict[str, float]) -> None:
        self._system = system
        self._sources = sources

    async def accept(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        """Serve everyone who connects, each in a task."""
        await trio.serve_listeners(self._serve, [listener], handler_nursery=nursery)

    async def _serve(self, stream: trio.SocketStream) -> None:
        if not addresses.is_ours(stream):
            await trio.aclose_forcefully(stream)
            return
        async with stream, trio.open_nursery() as nursery:
            framed = Framed(stream)
            nursery.start_soon(_until_broken, framed)
            with suppress(trio.BrokenResourceError, msgspec.DecodeError):
                if await self._greet(framed):
                    await Session(self._system, framed, nursery).run()
                else:
                    await trio.sleep(1.0)  # until the refusal has been read
            nursery.cancel_scope.cancel()

    async def _greet(self, framed: Framed) -> bool:
        with trio.move_on_after(GREETING_TIME):
            text = await framed.receive()
            hello = None if text is None else wire.to_owner(text)
            if isinstance(hello, wire.Hello) and hello.protocol == wire.PROTOCOL:
                version = wire.our_version()
                welcome = wire.Welcome(wire.PROTOCOL, version, os.getpid(), self._sources)
                framed.post(wire.encode(welcome))
                return True
            theirs = hello.version if isinstance(hello, wire.Hello) else "?"
            framed.post(wire.refusal(0, _other_version(theirs)))
        return False


class Session:
    """One connection."""

    def __init__(self, system: System, framed: Framed, nursery: trio.Nursery) -> None:
        self._system = system
        self._framed = framed
        self._nursery = nursery
        self._running: dict[int, trio.CancelScope] = {}

    async def run(self) -> None:
        """Serve the other end until it goes."""
        while (text := await self._framed.receive()) is not None:
            match wire.to_owner(text):
                case wire.Call() as call:
                    self._running[call.n] = scope = trio.CancelScope()
                    self._nursery.start_soon(self._answer, call, scope)
                case wire.Forget(n):
                    if n in self._running:
                        self._running[n].cancel()
                case wire.Ping():
                    self._framed.post(wire.encode(wire.Pong()))
                case wire.Hello():
                    return

    async def _answer(self, call: wire.Call, scope: trio.CancelScope) -> None:
        with scope:
            try:
                self._framed.post(wire.answer(call.n, await self._carry_out(call)))
            except SchedulerError as error:
                self._framed.post(wire.refusal(call.n, error))
        del self._running[call.n]

    async def _carry_out(self, call: wire.Call) -> Any:
        if call.request is not None:
            check_request_id(call.request)
        command = wire.command_of(call)
        if call.again and call.request is not None:
            reply: Reply[Any] = command.reply
            return await self._system.ask(m.Again(command, reply))
        return await self._system.ask(command)


async def _until_broken(framed: Framed) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await framed.run()


def _other_version(theirs: str) -> StoreNewer:
    return StoreNewer(
        f"the database is held by headrace {wire.our_version()} (process {os.getpid()}), "
        f"which speaks another protocol than this one",
        received=theirs[:80],
        allowed=f"protocol {wire.PROTOCOL}",
        hint="Run the same version of headrace on both sides: update one and restart it.",
    )
