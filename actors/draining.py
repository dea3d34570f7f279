"""Callers who wait until nothing of a paused lane runs any more."""

from __future__ import annotations

from collections.abc import Callable

from actors import messages as m
from actors.messages import Post, To
from actors.reply import Reply
from scheduler.domain.errors import InvalidRequest, SchedulerClosed


class Draining:
    """Replies by lane. `live(lane)` tells how many attempts run there."""

    def __init__(self, live: Callable[[str], int]) -> None:
        self._live = live
        self._replies: dict[str, list[Reply[None]]] = {}

    def add(self, lane: str, reply: Reply[None]) -> None:
        """Answer when the lane is empty."""
        self._replies.setdefault(lane, []).append(reply)

    def take_drained(self) -> list[Post]:
        """The answers for lanes in which nothing runs, to be given once that is saved."""
        drained = [lane for lane in self._replies if not self._live(lane)]
        answers = [m.Value(reply, None) for lane in drained for reply in self._replies.pop(lane)]
        return [(To.PERSISTER, m.Changed(answers=answers))] if answers else []

    def resumed(self, lane: str) -> None:
        """The lane goes on; it will not drain."""
        for reply in self._replies.pop(lane, ()):
            reply.refuse(
                InvalidRequest(
                    "the agent_type was resumed before it had drained",
                    field="agent_type",
                    received=lane,
                    hint="Drain it again, or let it run.",
                )
            )

    def close(self) -> None:
        """The scheduler closes; who waits hears so."""
        for lane in list(self._replies):
            for reply in self._replies.pop(lane):
                reply.refuse(SchedulerClosed("the scheduler closed before the lane had drained"))
