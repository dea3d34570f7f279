"""The other side: a connection to the process that owns the database."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import Any

import msgspec
import trio

from actors import commands as c
from actors.reply import Reply
from scheduler.domain.errors import StoreUnavailable, from_dict
from scheduler.sharing import wire
from scheduler.sharing.framing import Framed

LOOK_EVERY = 1.0  # seconds
PING_AFTER = 2.0  # seconds of silence while an answer is awaited
SILENCE = 10.0  # seconds after which the owner is taken not to answer


class Link:
    """See the module. `run` in a task; the rest from anywhere."""

    def __init__(self, stream: trio.SocketStream, version: str) -> None:
        self._stream = stream
        self._framed = Framed(stream)
        self._version = version
        self._numbers = count(1)
        self._called: dict[int, c.Command] = {}
        self._number_of: dict[Reply[Any], int] = {}
        self._heard = trio.current_time()
        self.pid = 0

    async def greet(self) -> wire.Welcome | None:
        """Say hello; None if the owner went away meanwhile. Raises StoreNewer."""
        try:
            self._framed.post(wire.encode(wire.Hello(wire.PROTOCOL, self._version)))
            await self._framed.flush()
            text = await self._framed.receive()
            answer = None if text is None else wire.from_owner(text)
        except (trio.BrokenResourceError, msgspec.DecodeError):
            return None
        if isinstance(answer, wire.Refusal):
            raise from_dict(answer.error)
        if not isinstance(answer, wire.Welcome):
            return None
        self.pid = answer.pid
        return answer

    # ------------------------------------------------------------- commands

    def send(self, command: c.Command, *, again: bool = False) -> None:
        """Let the owner have a command; its reply is given when the answer comes."""
        n = next(self._numbers)
        self._framed.post(wire.call(n, command, again=again))
        self._called[n] = command
        self._number_of[command.reply] = n

    def forget(self, command: c.Command) -> None:
        """Nobody waits for this answer any more; a claim that comes all the same goes back."""
        n = self._number_of.pop(command.reply, None)
        if n in self._called:
            self._framed.post(wire.encode(wire.Forget(n)))

    # ------------------------------------------------------------- life

    async def run(self) -> None:
        """Deliver answers until the connection breaks."""
        async with self._stream, trio.open_nursery() as nursery:
            nursery.start_soon(self._send)
            nursery.start_soon(self._watch)
            with suppress(trio.BrokenResourceError, msgspec.DecodeError):
                while (text := await self._framed.receive()) is not None:
                    self._heard = trio.current_time()
                    self._received(wire.from_owner(text))
            nursery.cancel_scope.cancel()

    async def _send(self) -> None:
        with suppress(trio.BrokenResourceError):
            await self._framed.run()

    def _received(self, message: wire.FromOwner) -> None:
        if not isinstance(message, wire.Answer | wire.Refusal):
            return
        command = self._called.pop(message.n, None)
        if command is None:
            return
        reply: Reply[Any] = command.reply
        self._number_of.pop(reply, None)
        if isinstance(message, wire.Refusal):
            reply.refuse(from_dict(message.error))
            return
        value = wire.value_of(message, command)
        if not reply.answer(value) and isinstance(command, c.ClaimReady):
            for claim in value:
                finish = c.Finish("release", claim.task.number, claim.token)
                self.send(c.Release(finish, Reply()))

    async def _watch(self) -> None:
        """Ask an owner that is silent whether it is there; tell those who wait if it is not."""
        while True:
            await trio.sleep(LOOK_EVERY)
            if not self._called:
                self._heard = trio.current_time()
                continue
            silent = trio.current_time() - self._heard
            if silent >= SILENCE:
                self._give_up()
            elif silent >= PING_AFTER:
                self._framed.post(wire.encode(wire.Ping()))

    def _give_up(self) -> None:
        for command in self._called.values():
            command.reply.refuse(
                StoreUnavailable(
                    f"process {self.pid} has the database open and has not answered for "
                    f"{SILENCE:g} s",
                    outcome="unknown" if command.changing else "refused",
                    hint=f"See what process {self.pid} does; continue or stop it, then look up "
                    "what this call was to change.",
                )
            )
