"""One connection of another process, at the owner's end.

Each call runs in a Trio task of its own, which is cancelled when nobody waits for it any more:
the actors then take back what they would have handed over, as they do for local callers. What
was claimed goes back too if the connection ends before the other end has said that it heard.
"""

from __future__ import annotations

import logging
from typing import Any

import trio

from actors import commands as c
from actors import messages as m
from actors.reply import Reply
from actors.system import System
from scheduler.domain.errors import SchedulerError
from scheduler.domain.request_ids import check_request_id
from scheduler.domain.views import Claim
from scheduler.sharing import wire
from scheduler.sharing.framing import Framed

log = logging.getLogger("headrace")


class Session:
    """See the module. `under_way` holds the changes of all sessions, by request."""

    def __init__(
        self,
        system: System,
        framed: Framed,
        nursery: trio.Nursery,
        under_way: dict[str, trio.Event],
    ) -> None:
        self._system = system
        self._framed = framed
        self._nursery = nursery
        self._under_way = under_way
        self._running: dict[int, trio.CancelScope] = {}
        self._unheard: dict[int, list[Claim]] = {}

    async def run(self) -> None:
        """Serve the other end until it goes."""
        try:
            while (text := await self._framed.receive()) is not None:
                self._received(wire.to_owner(text))
        except trio.BrokenResourceError:
            pass
        for scope in self._running.values():
            scope.cancel()
        for n in list(self._unheard):
            self._take_back(n)

    def _received(self, message: wire.ToOwner) -> None:
        match message:
            case wire.Call() as call:
                if call.n in self._running:
                    raise trio.BrokenResourceError("two calls of one number")
                self._running[call.n] = scope = trio.CancelScope()
                if call.request is not None and not call.again:
                    self._under_way[call.request] = trio.Event()
                self._nursery.start_soon(self._answer, call, scope)
            case wire.Forget(n):
                if n in self._running:
                    self._running[n].cancel()
                self._take_back(n)
            case wire.Heard(n):
                self._unheard.pop(n, None)
            case wire.Ping():
                self._framed.post(wire.encode(wire.Pong()))
            case wire.Hello():
                raise trio.BrokenResourceError("a second hello")

    async def _answer(self, call: wire.Call, scope: trio.CancelScope) -> None:
        try:
            with scope:
                await self._try(call)
        finally:
            del self._running[call.n]
            if call.request in self._under_way and not call.again:
                self._under_way.pop(call.request).set()
        if scope.cancel_called:
            self._take_back(call.n)  # it was granted in the moment in which it was forgotten
            self._framed.post(wire.refusal(call.n, SchedulerError("nobody waits for this")))

    async def _try(self, call: wire.Call) -> None:
        try:
            value = await self._carry_out(call)
            if isinstance(value, list) and value and isinstance(value[0], Claim):
                self._unheard[call.n] = value
            self._framed.post(wire.answer(call.n, value))
        except SchedulerError as error:
            self._refuse(call.n, error)
        except Exception:
            log.exception("a call of another process failed")
            self._refuse(call.n, _unforeseen())

    def _refuse(self, n: int, error: SchedulerError) -> None:
        self._take_back(n)  # also what was claimed, and is too large to be sent
        self._framed.post(wire.refusal(n, error))

    async def _carry_out(self, call: wire.Call) -> Any:
        command = wire.command_of(call)
        request = call.request
        if request is not None:
            check_request_id(request)
        if request is None or not call.again:
            return await self._system.ask(command)
        if request in self._under_way:
            await self._under_way[request].wait()
        reply: Reply[Any] = command.reply
        return await self._system.ask(m.Again(command, reply))

    def _take_back(self, n: int) -> None:
        """Release what was claimed for a caller that has gone."""
        for claim in self._unheard.pop(n, ()):
            finish = c.Finish("release", claim.task.number, claim.token)
            self._system.tell(c.Release(finish, Reply()))


def _unforeseen() -> SchedulerError:
    return SchedulerError(
        "an error that nobody foresaw, in the process that owns the database",
        hint="Its log has the story. Look up what the call was to change before repeating it.",
    )
