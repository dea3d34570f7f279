"""Claims tasks for the handlers of one program, runs them, and tells how they ended.

Each agent type is a lane with slots of its own: as many tasks are claimed as slots are free. A
slot is free again when its job has ended; that is told while the next one runs.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping

import trio

from actors import commands as c
from actors.reply import Reply
from scheduler.domain.errors import SchedulerClosed, SchedulerError, TooLarge
from scheduler.domain.views import Claim
from scheduler.handle import Door, Handle
from scheduler.workers import keeping
from scheduler.workers.endings import alone, leaves
from scheduler.workers.executors import Executors
from scheduler.workers.gathering import until_steady
from scheduler.workers.handlers import Handler
from scheduler.workers.hands import Hands, Lane
from scheduler.workers.idleness import nothing_left
from scheduler.workers.reporter import PAUSE_FIRST, pause
from scheduler.workers.watchdog import watched

logger = logging.getLogger("headrace.workers")

WAIT_SECONDS = 60.0  # how long one claim waits
LAST_CALLS_SECONDS = 5.0  # for what must still be told when the pool has ended


class Pool:
    """See the module. `run` is called once. Spans are seconds.

    `door` is one for Trio tasks. `chance` returns a number in 0..1, for the jitter of retries.
    """

    def __init__(
        self,
        door: Door,
        sources: Mapping[str, float],
        handlers: list[Handler],
        executors: Executors,
        *,
        holder: str,
        lease: float,
        until_idle: bool,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.ended = trio.Event()
        self._door = door
        self._handle = Handle(door, sources)
        self._executors = executors
        self._holder = holder
        self._lease = lease
        self._until_idle = until_idle
        self._hands = Hands(door, handlers, executors, chance, self._fail)
        self._listener = keeping.Listener(door, holder, self._hands.by_token, self._hands.lose)
        self._closing = False
        self._over_at = -1  # so many jobs had begun when nothing was left to do
        self._claiming = trio.CancelScope()
        self._everything = trio.CancelScope(shield=True)
        self._failure: BaseException | None = None

    # ------------------------------------------------------------- life

    async def run(self) -> None:
        """Work until cancelled or idle, or until `stop`.

        What runs is then told to stop and gets its grace; what was not done goes back.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._run_shielded)
                try:
                    await self.ended.wait()
                finally:
                    self.stop()
        except BaseExceptionGroup as group:
            error = alone(group)
            if error is group:
                raise
            raise error from error.__cause__

    def stop(self) -> None:
        """Claim nothing more, and tell all jobs to stop."""
        if not self._closing:
            self._closing = True
            self._claiming.cancel()
            self._hands.close()

    def _fail(self, error: BaseException) -> None:
        """Something that no handler may keep to itself, such as KeyboardInterrupt."""
        self._failure = self._failure or error
        self._everything.cancel()

    async def _run_shielded(self) -> None:
        try:
            with self._everything:
                await self._work()
        except BaseException as error:
            if not (self._closing and _only_closed(error)):
                raise
        finally:
            with trio.move_on_after(LAST_CALLS_SECONDS, shield=True):
                await self._last_calls()
            self.ended.set()
        if self._failure is not None:
            raise self._failure

    async def _work(self) -> None:
        with watched():
            async with self._executors.open(self._hands.ended, self._fail):
                await self._serve()

    async def _serve(self) -> None:
        try:
            await self._listener.begin()
            async with trio.open_nursery() as services:
                services.start_soon(self._listener.run)
                services.start_soon(self._hands.times.run)
                services.start_soon(self._hands.reporter.run)
                services.start_soon(self._send_heartbeats)
                await self._take_until_the_end()
                services.cancel_scope.cancel()
        finally:
            self.stop()

    async def _send_heartbeats(self) -> None:
        hands = self._hands
        await keeping.send_heartbeats(self._door, self._lease, hands.running, hands.lose)

    async def _last_calls(self) -> None:
        """Give back what is still in hand, and tell what is not told yet."""
        self.stop()
        for running in self._hands.running():
            self._hands.give_up(running)
        try:
            await self._hands.reporter.last_calls()
        except BaseException as error:
            if not all(isinstance(leaf, SchedulerError) for leaf in leaves(error)):
                raise
            logger.error("the last ends could not be told: %s", alone(error))

    # ------------------------------------------------------------- taking

    async def _take_until_the_end(self) -> None:
        hands = self._hands
        while not self._closing:
            self._claiming = trio.CancelScope()
            with self._claiming:
                async with trio.open_nursery() as nursery:
                    for lane in hands.lanes.values():
                        nursery.start_soon(self._take, lane)
                    if self._until_idle:
                        nursery.start_soon(self._end_when_idle)
            await hands.until_empty()
            if hands.started == self._over_at:
                return  # else a claim was granted at the last moment

    async def _take(self, lane: Lane) -> None:
        while True:
            if not lane.free:
                lane.room = trio.Event()
                await lane.room.wait()
                await until_steady(lambda: lane.free)
            for claim in await self._claim(lane):
                self._hands.take(lane, claim, revoked=self._listener.was_early(claim.token))

    async def _claim(self, lane: Lane) -> list[Claim]:
        lanes = (lane.handler.agent_type,)
        most, seconds = lane.free, PAUSE_FIRST
        while True:
            limit = min(most, lane.free)
            command = c.ClaimReady(self._holder, lanes, limit, self._lease, WAIT_SECONDS, Reply())
            try:
                return await self._door.ask(command)
            except TooLarge:  # together, for one message from another process
                if limit == 1:
                    raise
                most = limit // 2
            except SchedulerError as error:
                if not error.retryable:
                    raise
                seconds = await pause(error, seconds)

    async def _end_when_idle(self) -> None:
        seconds = PAUSE_FIRST
        while True:
            await self._hands.until_empty()
            try:
                over = await nothing_left(self._handle, list(self._hands.lanes))
            except SchedulerError as error:
                if not error.retryable:
                    raise
                seconds = await pause(error, seconds)
                continue
            seconds = PAUSE_FIRST
            if over and self._hands.empty:
                self._over_at = self._hands.started
                self._claiming.cancel()
                return


def _only_closed(error: BaseException) -> bool:
    return all(isinstance(leaf, SchedulerClosed) for leaf in leaves(error))
