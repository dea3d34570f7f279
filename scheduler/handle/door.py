"""What a handle speaks to, and what all its parts have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from actors.observer import Callback, Carry, Listener
from actors.system import Asking
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.task import Task
from scheduler.domain.views import Claim

TaskOrId = Task | str

T = TypeVar("T")


class Door(Protocol):
    """What a handle speaks to: the actors of this process, or the way to those of another."""

    async def ask(self, command: Asking[T]) -> T:
        """Send a command and wait for its answer."""
        ...

    @property
    def sequence(self) -> int | None:
        """The number of the newest change; None where only the actors know it."""
        ...

    @property
    def failure(self) -> BaseException | None:
        """What ended the actors, if they did not close."""
        ...

    @property
    def trio_door(self) -> Door:
        """The door as Trio tasks of the actors' thread use it."""
        ...

    def observe(self, callback: Callback, carry: Carry | None = None) -> Listener:
        """Tell `callback` every event, in the caller's loop or where `carry` takes calls."""
        ...

    async def run_in_trio(self, function: Callable[[], Awaitable[T]]) -> T:
        """Await a Trio coroutine function in the actors' loop; cancellation and errors cross."""
        ...

    async def give_back(self, claims: list[Claim]) -> None:
        """Release claims of which nobody will hear, whatever becomes of this caller."""
        ...


class Asks:
    """What the parts of a handle have in common: a door, and the sources that tasks may have."""

    def __init__(self, door: Door, sources: Mapping[str, float] = SOURCE_SCORES) -> None:
        self._door = door
        self._sources = sources
