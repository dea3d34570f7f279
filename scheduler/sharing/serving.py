"""The owner's side: other processes connect, send commands, and get the answers."""

from __future__ import annotations

import logging
import os

import msgspec
import trio

from actors.home import must_be_in_trio
from actors.system import System, alone
from scheduler.domain.errors import InvalidRequest, StoreNewer, StoreUnavailable, WrongContext
from scheduler.handle import Handle
from scheduler.sharing import address as addresses
from scheduler.sharing import wire
from scheduler.sharing.framing import Framed
from scheduler.sharing.session import Session

log = logging.getLogger("headrace")

GREETING_TIME = 10.0  # seconds in which whoever connects must say hello
ENDING_TIME = 1.0  # seconds for what is still to be sent
LOOK_EVERY = 2.0  # seconds between two looks whether our files are still there


async def serve(
    scheduler: Handle, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Let other processes use the database of this scheduler, until cancelled.

        async with open_scheduler("tasks.db") as scheduler, trio.open_nursery() as nursery:
            await nursery.start(serve, scheduler)
            ...
            nursery.cancel_scope.cancel()

    They reach it with `connect`, the command line, or as agents over MCP. The nursery must end
    before the scheduler closes. Raises InvalidRequest for a scheduler in memory, or one of
    another process, and StoreUnavailable if there is no place for a socket, or if somebody
    moves or deletes the database.
    """
    must_be_in_trio()
    system = scheduler._door
    if system is not system.trio_door:
        raise WrongContext(
            "this handle is not for Trio tasks",
            field="scheduler",
            hint="Use `serve` of the module that opened it: scheduler.asyncio, scheduler.threads.",
        )
    if not isinstance(system, System) or system.location == ":memory:":
        raise InvalidRequest(
            "this scheduler has no file of its own to share",
            field="scheduler",
            allowed="one that open_scheduler opened on a file",
            hint="Serve it in the process that has the file open.",
        )
    try:
        await Server(system, dict(scheduler._sources)).run(task_status)
    except ExceptionGroup as group:
        error = alone(group)
        raise error from error.__cause__


class Server:
    """What all connections have in common."""

    def __init__(self, system: System, sources: dict[str, float]) -> None:
        self._system = system
        self._sources = sources
        self._database = system.location
        self._under_way: dict[str, trio.Event] = {}  # changes, by request

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Serve until cancelled."""
        database = addresses.identity(self._database)
        place = await addresses.listen(self._database)
        try:
            async with trio.open_nursery() as nursery:
                self._system.announce(place.address)
                nursery.start_soon(self._accept, place.listener, nursery)
                task_status.started()
                while True:
                    await trio.sleep(LOOK_EVERY)
                    if addresses.identity(self._database) != database:
                        raise _moved(self._database)
                    if place.is_gone():  # somebody tidied up
                        await place.listener.aclose()
                        place = await addresses.listen(self._database)
                        nursery.start_soon(self._accept, place.listener, nursery)
        finally:
            self._system.announce(None)
            place.leave()

    async def _accept(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        try:
            await trio.serve_listeners(self._serve, [listener], handler_nursery=nursery)
        except* trio.ClosedResourceError:  # another listener took its place
            pass

    async def _serve(self, stream: trio.SocketStream) -> None:
        """One connection; whatever goes wrong there ends only that."""
        try:
            async with stream:
                if addresses.is_ours(stream):
                    await self._converse(Framed(stream))
        except* (trio.BrokenResourceError, trio.ClosedResourceError, msgspec.DecodeError):
            pass
        except* Exception:
            log.exception("a connection of another process failed")

    async def _converse(self, framed: Framed) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(framed.run_until_broken)
            if await self._greet(framed):
                await Session(self._system, framed, nursery, self._under_way).run()
            framed.end()
            nursery.cancel_scope.deadline = trio.current_time() + ENDING_TIME

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


def _other_version(theirs: str) -> StoreNewer:
    return StoreNewer(
        f"the database is held by headrace {wire.our_version()} (process {os.getpid()}), "
        f"which speaks another protocol than this one",
        received=theirs[:80],
        allowed=f"protocol {wire.PROTOCOL}",
        hint="Run the same version of headrace on both sides: update one and restart it.",
    )


def _moved(database: str) -> StoreUnavailable:
    return StoreUnavailable(
        "the database was moved or deleted while it was in use",
        field="path",
        received=database,
        hint="Stop all that use a database before you move it; look for what was made since.",
    )
