"""Keeps the leases of all jobs in hand, and hears when one is taken away."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable

import trio

from actors import commands as c
from actors.reply import Reply
from scheduler.domain.errors import SchedulerError
from scheduler.handle import Door
from scheduler.workers.reporter import PAUSE_FIRST, TAKEN_AWAY, ends_the_pool, pause
from scheduler.workers.running import Running

logger = logging.getLogger("headrace.workers")

LISTEN_SECONDS = 50.0  # how long one question for revocations waits
EARLY = 1_000  # revocations that may be heard before their claims

Lost = Callable[[Running], None]


async def send_heartbeats(
    door: Door, lease: float, in_hand: Callable[[], Iterable[Running]], lost: Lost
) -> None:
    """Every third of a lease, one for each job; runs until cancelled."""
    while True:
        await trio.sleep(lease / 3)
        async with trio.open_nursery() as nursery:
            for running in in_hand():
                if not running.overdue:  # what does not stop loses its lease
                    nursery.start_soon(_heartbeat, door, running, lost)


async def _heartbeat(door: Door, running: Running, lost: Lost) -> None:
    claim = running.claim
    try:
        await door.ask(c.Heartbeat(claim.task.number, claim.token, None, None, None, Reply()))
    except TAKEN_AWAY:
        lost(running)
    except SchedulerError as error:
        if ends_the_pool(error):
            raise
        logger.warning("no heartbeat for task %s: %s", claim.task.id, error.message)


class Listener:
    """Hears at once which claims of `holder` are taken away; tells `lost`."""

    def __init__(self, door: Door, holder: str, by_token: dict[str, Running], lost: Lost) -> None:
        self._door = door
        self._holder = holder
        self._by_token = by_token
        self._lost = lost
        self._early: deque[str] = deque(maxlen=EARLY)

    def was_early(self, token: str) -> bool:
        """Whether this claim, which arrives just now, has been taken away already."""
        return bool(self._early) and token in self._early

    async def begin(self) -> None:
        """From now on nothing is missed; before the first claim."""
        await self._listen(0.0)

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            await self._listen(LISTEN_SECONDS)

    async def _listen(self, wait: float) -> None:
        seconds = PAUSE_FIRST
        while True:
            try:
                revoked = await self._door.ask(c.AwaitRevoked(self._holder, wait, Reply()))
                break
            except SchedulerError as error:
                if ends_the_pool(error):
                    raise
                seconds = await pause(error, seconds)
        for _, token in revoked:
            running = self._by_token.get(token)
            if running is None:
                self._early.append(token)
            else:
                self._lost(running)
