"""The other side: a connection to the process that owns the database."""

from __future__ import annotations

from collections.abc import Callable
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
PING_AFTER = 2  # looks in silence while an answer is awaited
SILENCE = 10  # looks after which the owner is taken not to answer
LEAVING_TIME = 1.0  # seconds for what is still to be sent


class Link:
    """See the module. `run` in a task; the rest from anywhere.

    `owner_lives(pid)` tells whether that process owns the database: one that was killed can
    leave a child behind that holds the connection open. At the end `given_up` is called
    with commands whose callers have gone, and which the owner may have carried out all the same.
    """

    def __init__(
        self,
        stream: trio.SocketStream,
        owner_lives: Callable[[int], bool],
        given_up: Callable[[c.Command], None],
    ) -> None:
        self._stream = stream
        self._framed = Framed(stream)
        self._owner_lives = owner_lives
        self._given_up = given_up
        self._numbers = count(1)
        self._called: dict[int, c.Command] = {}
        self._number_of: dict[Reply[Any], int] = {}
        self._silent = 0  # looks in a row at which nothing had come
        self.pid = 0

    async def greet(self) -> wire.Welcome | None:
        """Say hello; None if the owner went away meanwhile. Raises StoreNewer."""
        try:
            self._framed.post(wire.encode(wire.Hello(wire.PROTOCOL, wire.our_version())))
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
        """Nobody waits for this answer any more: the owner stops, or takes back what it gave."""
        n = self._number_of.pop(command.reply, None)
        if n in self._called:
            self._framed.post(wire.encode(wire.Forget(n)))

    # ------------------------------------------------------------- life

    async def run(self) -> None:
        """Deliver answers until the connection breaks or the owner is dead."""
        sending = trio.CancelScope(shield=True)
        async with self._stream, trio.open_nursery() as nursery:
            nursery.start_soon(self._send, sending)
            try:
                async with trio.open_nursery() as receiving:
                    receiving.start_soon(self._watch, receiving.cancel_scope)
                    with suppress(trio.BrokenResourceError, msgspec.DecodeError):
                        while (text := await self._framed.receive()) is not None:
                            self._silent = 0
                            self._received(wire.from_owner(text))
                    receiving.cancel_scope.cancel()
            finally:
                self._framed.end()
                sending.deadline = trio.current_time() + LEAVING_TIME
                for command in self._called.values():
                    if command.reply.abandoned:
                        self._given_up(command)

    async def _send(self, scope: trio.CancelScope) -> None:
        with scope:
            await self._framed.run_until_broken()

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
        heard = reply.answer(wire.value_of(message, command))
        if heard and isinstance(command, c.ClaimReady):
            self._framed.post(wire.encode(wire.Heard(message.n)))

    async def _watch(self, scope: trio.CancelScope) -> None:
        """Ask an owner that is silent whether it is there; tell those who wait if it is not.

        Looks are counted, not seconds: after this process itself was stopped, the owner gets
        its time anew.
        """
        while True:
            await trio.sleep(LOOK_EVERY)
            self._silent = self._silent + 1 if self._called else 0
            if self._silent >= PING_AFTER:
                if not self._owner_lives(self.pid):
                    scope.cancel()
                self._framed.post(wire.encode(wire.Ping()))
            if self._silent >= SILENCE:
                self._give_up()

    def _give_up(self) -> None:
        for command in self._called.values():
            command.reply.refuse(
                StoreUnavailable(
                    f"process {self.pid} has the database open and has not answered for "
                    f"{SILENCE * LOOK_EVERY:g} s",
                    outcome="unknown" if command.changing else "refused",
                    hint=f"See what process {self.pid} does; continue or stop it, then look up "
                    "what this call was to change.",
                )
            )
