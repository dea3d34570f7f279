"""Claims that were taken from holders who listen for that: a part of the prioritizer.

A cancelled task, an expired lease and `release_holders` take a claim away. Its holder would hear
so at its next heartbeat; one that asks for its revocations hears at once. They are kept in memory
alone, for as long as the holder goes on asking: whoever misses one still hears at its heartbeat.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.commands import AwaitRevoked
from scheduler.domain.task import Task

KEPT = 10_000  # revocations of one holder; of more, the oldest are dropped
FORGET_AFTER = 60.0  # seconds since a holder asked last

Revoked = tuple[int, str]  # the number of the task, and the token that opens nothing any more


@dataclass(slots=True)
class _Listener:
    until: float  # Unix seconds: forgotten then, unless it asks again
    unheard: list[Revoked] = field(default_factory=list)
    waiting: list[tuple[float, AwaitRevoked]] = field(default_factory=list)  # each with its end


class Revocations:
    """See the module. O(1) a revocation, and nothing where nobody listens."""

    def __init__(self) -> None:
        self._listeners: dict[str, _Listener] = {}
        self._due = float("inf")
        self._fresh: set[str] = set()  # holders with something to hear

    def listen(self, command: AwaitRevoked, now: float) -> None:
        """A holder asks; it is answered at the next `answer`, or when its wait ends."""
        end = now + command.wait
        listener = self._listeners.setdefault(command.holder, _Listener(end))
        listener.until = max(listener.until, end + FORGET_AFTER)
        listener.waiting.append((end, command))
        self._due = min(self._due, end)
        if listener.unheard:
            self._fresh.add(command.holder)

    def note(self, task: Task) -> None:
        """The claim of this task, as it stood while it was running, was taken away."""
        assert task.holder is not None
        assert task.token is not None
        listener = self._listeners.get(task.holder)
        if listener is not None:
            listener.unheard.append((task.number, task.token))
            del listener.unheard[:-KEPT]
            self._fresh.add(task.holder)

    def answer(self, now: float) -> None:
        """Tell what there is to hear, end the waits that have lasted, forget who is gone."""
        if self._fresh:
            for holder in self._fresh:
                _tell(self._listeners[holder])
            self._fresh.clear()
        if self._due <= now:
            self._end_waits(now)

    def _end_waits(self, now: float) -> None:
        for holder, listener in list(self._listeners.items()):
            for end, command in listener.waiting:
                if end <= now:
                    command.reply.answer([])
            listener.waiting = [pair for pair in listener.waiting if pair[0] > now]
            if not listener.waiting and listener.until <= now:
                del self._listeners[holder]
        self._due = min(map(_due, self._listeners.values()), default=float("inf"))

    def due(self) -> float:
        """When the next wait ends or the next holder is forgotten; inf if there is none."""
        return self._due

    def close(self) -> None:
        """Let nobody wait any longer."""
        for listener in self._listeners.values():
            for _, command in listener.waiting:
                command.reply.answer([])
        self._listeners.clear()
        self._fresh.clear()
        self._due = float("inf")


def _tell(listener: _Listener) -> None:
    """Everyone who asks for this holder hears the same; kept if nobody receives it."""
    waiting, listener.waiting = listener.waiting, []
    heard = [command.reply.answer(list(listener.unheard)) for _, command in waiting]
    if any(heard):
        listener.unheard.clear()


def _due(listener: _Listener) -> float:
    return min((end for end, _ in listener.waiting), default=listener.until)
