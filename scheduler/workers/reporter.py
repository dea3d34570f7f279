"""Tells the actors how jobs ended: completions together, and until they are heard."""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from actors import commands as c
from actors.reply import Reply
from scheduler.domain.errors import (
    AlreadyFinished,
    LeaseLost,
    SchedulerClosed,
    SchedulerError,
    StoreError,
    TooLarge,
    UnknownTask,
)
from scheduler.domain.views import Ended
from scheduler.handle import Door
from scheduler.workers.endings import Ending
from scheduler.workers.gathering import until_steady
from scheduler.workers.running import Running

logger = logging.getLogger("headrace.workers")

TAKEN_AWAY = (LeaseLost, AlreadyFinished, UnknownTask)
PAUSE_FIRST, PAUSE_CAP = 1.0, 30.0  # seconds between calls that find the store in trouble


def ends_the_pool(error: SchedulerError) -> bool:
    """Whether the queue as such is out of reach for good."""
    return not error.retryable and isinstance(error, StoreError | SchedulerClosed)


async def pause(error: SchedulerError, seconds: float) -> float:
    """Wait for the queue to recover; how long the next pause is."""
    logger.warning("the queue does not answer (%s); next call in %g s", error.message, seconds)
    await trio.sleep(seconds)
    return min(2 * seconds, PAUSE_CAP)


class Reporter:
    """See the module. `told` is called for each job whose end was told, or is not to be."""

    def __init__(self, door: Door, told: Callable[[Running], None]) -> None:
        self._door = door
        self._told = told
        self._completions: list[tuple[Running, c.Finish]] = []
        self._others: list[tuple[Running, Ending]] = []
        self._work = trio.Event()
        self.pending = 0

    def post(self, running: Running, ending: Ending) -> None:
        """Have the end of a job told soon."""
        self.pending += 1
        if ending.finish.verb == "complete":
            self._completions.append((running, ending.finish))
        else:
            self._others.append((running, ending))
        self._work.set()

    async def run(self) -> None:
        """Tell what is posted, until cancelled. Raises what ends the pool."""
        async with trio.open_nursery() as nursery:
            while True:
                await self._work.wait()
                self._work = trio.Event()
                await until_steady(lambda: len(self._completions))
                self._tell_others(nursery)
                if self._completions:
                    await self._complete_all()

    async def last_calls(self) -> None:
        """Tell, once each, what is not told yet; after `run` has ended."""
        async with trio.open_nursery() as nursery:
            self._tell_others(nursery)
            if self._completions:
                await self._complete_all()

    def _tell_others(self, nursery: trio.Nursery) -> None:
        others, self._others = self._others, []
        for running, ending in others:
            nursery.start_soon(self._tell, running, ending)

    async def _complete_all(self) -> None:
        completions, self._completions = self._completions, []
        try:
            await self._complete(completions)
        except BaseException:  # not heard, so to be told again: the tokens make that safe
            self._completions = completions + self._completions
            raise

    async def _complete(self, completions: list[tuple[Running, c.Finish]]) -> None:
        try:
            outcomes = await self._ask_complete(completions)
        except TooLarge:  # together, for one message to another process
            half = len(completions) // 2
            if not half:
                raise
            await self._complete(completions[:half])
            await self._complete(completions[half:])
            return
        for (running, _), outcome in zip(completions, outcomes, strict=True):
            self._heard(running, outcome)

    async def _ask_complete(self, completions: list[tuple[Running, c.Finish]]) -> c.Outcomes:
        """Ask with the same tokens until there is an answer: what was done is told again."""
        finishes = tuple(finish for _, finish in completions)
        seconds = PAUSE_FIRST
        while True:
            try:
                return await self._door.ask(c.Complete(finishes, Reply()))
            except SchedulerError as error:
                if not error.retryable:
                    raise
                seconds = await pause(error, seconds)

    async def _tell(self, running: Running, ending: Ending) -> None:
        seconds = PAUSE_FIRST
        while True:
            try:
                (outcome,) = await self._door.ask(_command(ending))
                break
            except SchedulerError as error:
                if ends_the_pool(error):
                    raise
                if not error.retryable:
                    outcome = error
                    break
                seconds = await pause(error, seconds)
            except trio.Cancelled:
                self._others.append((running, ending))
                raise
        self._heard(running, outcome)

    def _heard(self, running: Running, outcome: Ended | SchedulerError) -> None:
        self.pending -= 1
        if isinstance(outcome, TAKEN_AWAY):
            logger.info("task %s was taken away before its end was told", running.task.id)
        elif isinstance(outcome, SchedulerError):
            logger.error("the end of task %s is refused: %s", running.task.id, outcome.message)
        self._told(running)


def _command(ending: Ending) -> c.Fail | c.Release:
    if ending.finish.verb == "release":
        return c.Release(ending.finish, Reply())
    return c.Fail(ending.finish, ending.retryable, ending.retry_after, Reply())
