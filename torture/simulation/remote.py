"""The way of a client in another process: a link that breaks when the scheduler dies.

The link carries a copy of the command. When it breaks, the caller hears nothing, and its door
sends the same request along the next one.
"""

from __future__ import annotations

from typing import Any

import trio
from msgspec.structs import replace

from actors import commands as c
from actors import messages as m
from actors.reply import Reply
from actors.system import System
from scheduler.domain.errors import SchedulerClosed, SchedulerError
from scheduler.domain.views import Claim


class RemoteWay:
    """To the actors of one life; `links` is a nursery that ends with it."""

    def __init__(self, system: System, links: trio.Nursery) -> None:
        self._system = system
        self._links = links

    def send(self, command: c.Command, *, again: bool = False) -> None:
        """Carry a command there, and its answer back."""
        self._links.start_soon(self._carry, command, again)

    def forget(self, command: c.Command) -> None:
        """The caller is served or gone; a claim that comes too late is given back."""

    async def _carry(self, command: c.Command, again: bool) -> None:
        ours: Reply[Any] = Reply(command.reply.request)
        copy: Any = replace(command, reply=ours)
        theirs: Reply[Any] = command.reply
        try:
            answer = await self._system.ask(m.Again(copy, ours) if again else copy)
        except SchedulerClosed:
            return  # the link breaks
        except SchedulerError as error:
            theirs.refuse(error)
            return
        if not theirs.answer(answer) and isinstance(answer, list):
            for claim in answer:
                if isinstance(claim, Claim):
                    finish = c.Finish("release", claim.task.number, claim.token)
                    self._system.tell(c.Release(finish, Reply()))
