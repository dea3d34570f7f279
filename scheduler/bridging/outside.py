"""What the doors for those outside the actors' Trio loop have in common."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import trio

from actors.commands import ClaimReady
from scheduler.bridging.crossing import closed
from scheduler.bridging.ferry import Ferry
from scheduler.domain.errors import SchedulerClosed
from scheduler.handle import Door

T = TypeVar("T")


class Outside(ABC):
    """The way to the actors behind `door`, in the Trio loop of `token`.

    What `run_in_trio` runs ends with `nursery`, if there is one.
    """

    def __init__(
        self, door: Door, token: trio.lowlevel.TrioToken, nursery: trio.Nursery | None
    ) -> None:
        self.trio_door: Door = door.trio_door
        self._token = token
        self._nursery = nursery
        self._process = os.getpid()
        self._over = Ferry(token.run_sync_soon)

    @property
    def failure(self) -> BaseException | None:
        """What ended the actors, if they did not close."""
        return self.trio_door.failure

    @property
    def sequence(self) -> int | None:
        """The number of the newest change; None where only the actors know it."""
        return self.trio_door.sequence

    @abstractmethod
    async def run_in_trio(self, function: Callable[[], Awaitable[T]]) -> T:
        """Await a Trio coroutine function in the loop of the actors."""

    async def give_back(self, claims: Any) -> None:
        """Release what was claimed for a caller that has gone."""
        await self.run_in_trio(partial(self.trio_door.give_back, claims))

    def _giving_back(self, command: object) -> Any:
        """What to do with an answer that is not heard: only that of a claim would be missed."""
        return self.trio_door.give_back if isinstance(command, ClaimReady) else None

    def _closed(self) -> SchedulerClosed:
        return closed(self.failure)
