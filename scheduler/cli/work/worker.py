"""The worker loop: claims tasks, runs a command for each, keeps their leases, records their ends.

It takes as many tasks as it has room for. What happens is told to `notify`, ends after the queue
has acknowledged them.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import msgspec
import trio

from scheduler.cli.work.worker_events import Event, Trouble
from scheduler.cli.work.worker_queue import Queue, Work
from scheduler.domain.errors import (
    AlreadyFinished,
    LeaseLost,
    SchedulerClosed,
    SchedulerError,
    StoreError,
    TooLarge,
    UnknownTask,
)
from scheduler.domain.lifecycle import BACKOFF_CAP
from scheduler.domain.task import Status, moment, utc_text
from scheduler.domain.views import Idle
from scheduler.workers.processes.outcomes import Outcome

WAIT_SECONDS = 30.0  # how long one claim waits
LOOK_SECONDS = 0.5  # the same, if the worker is to end when nothing is left
PAUSE_FIRST, PAUSE_CAP = 1.0, 30.0  # seconds between calls to a queue that cannot answer
LAST_CALLS_SECONDS = 5.0  # for what must still be told to the queue when the worker is to end
TAKEN_AWAY = (LeaseLost, AlreadyFinished, UnknownTask)
OF_THE_QUEUE = (StoreError, SchedulerClosed)  # unless they pass, no task would fare better


class _Held(msgspec.Struct):
    """Work in hand: `doing` is cancelled to stop the command, `telling` to stop recording."""

    work: Work
    doing: trio.CancelScope
    telling: trio.CancelScope
    until: float  # the end of its lease, as far as we know; Unix seconds
    lost: bool = False


class Worker:
    """Does up to `concurrency` tasks of `queue` at a time, each with `perform`.

    `lease` is in seconds. With `until_idle` it ends when there is nothing left that it could
    do, now or soon; else after `take_no_more`.
    """

    def __init__(
        self,
        queue: Queue,
        perform: Callable[[Work], Awaitable[Outcome]],
        *,
        concurrency: int,
        lease: float,
        until_idle: bool,
        notify: Callable[[Event | Trouble], None],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._queue = queue
        self._perform = perform
        self._concurrency = concurrency
        self._lease = lease
        self._until_idle = until_idle
        self._notify = notify
        self._wall_clock = wall_clock
        self.gave_back = False  # work that was not done
        self.unfit: str | None = None  # why none can be
        self._taking = trio.CancelScope()
        self._held: dict[str, _Held] = {}  # by token
        self._room = trio.Event()  # set when work has left our hands
        self._answered = False  # by the queue, once

    async def run(self) -> None:
        """Return when it is to end and nothing is in hand any more."""
        async with trio.open_nursery() as nursery:
            with self._taking:
                await self._take(nursery)

    @property
    def idle(self) -> bool:
        """Whether nothing is in hand."""
        return not self._held

    def take_no_more(self) -> None:
        """End when what is in hand has ended."""
        self._taking.cancel()

    def give_back(self) -> None:
        """End in seconds: commands are terminated, their tasks released."""
        self._taking.cancel()
        for held in self._held.values():
            self.gave_back = True
            held.doing.cancel()
            held.telling.deadline = trio.current_time() + LAST_CALLS_SECONDS

    # ------------------------------------------------------------- taking

    async def _take(self, nursery: trio.Nursery) -> None:
        wait = 0.0  # until the queue has answered, or it would count as one that never did
        while True:
            room = self._concurrency - len(self._held)
            if not room:
                self._room = trio.Event()
                await self._room.wait()
                continue
            claimed = await self._claim(room, wait)
            if isinstance(claimed, Idle):
                if self._until_idle and not self._held and self._over(claimed):
                    return
                wait = LOOK_SECONDS if self._until_idle else WAIT_SECONDS
                continue
            for work in claimed:
                self._held[work.token] = held = self._hold(work)
                nursery.start_soon(self._do, held)

    def _hold(self, work: Work) -> _Held:
        return _Held(work, trio.CancelScope(), trio.CancelScope(), self._lease_end())

    def _lease_end(self) -> float:
        return self._wall_clock() + self._lease

    def _over(self, idle: Idle) -> bool:
        """Whether no work will come without somebody else's doing, or not before long."""
        match idle.reason:
            case "nothing_pending" | "all_blocked" | "paused":
                return True
            case "all_scheduled":  # a failed attempt is followed by the next within the cap
                assert idle.until is not None
                return idle.until.timestamp() > self._wall_clock() + BACKOFF_CAP
            case _:
                return False

    async def _claim(self, room: int, wait: float) -> list[Work] | Idle:
        pause = PAUSE_FIRST
        while True:
            try:
                claimed = await self._queue.claim(room, wait)
            except TooLarge:  # together, for one answer
                if room == 1:
                    raise
                room //= 2
            except SchedulerError as error:
                if not (self._answered and error.retryable):
                    raise
                pause = await self._pause(error, pause)
            else:
                self._answered = True
                return claimed

    async def _pause(self, error: SchedulerError, pause: float) -> float:
        self._notify(Trouble(error, pause))
        await trio.sleep(pause)
        return min(2 * pause, PAUSE_CAP)

    # ------------------------------------------------------------- doing

    async def _do(self, held: _Held) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_lease, held)
                await self._do_and_tell(held)
                nursery.cancel_scope.cancel()
        finally:
            del self._held[held.work.token]
            self._room.set()

    async def _keep_lease(self, held: _Held) -> None:
        while not held.lost:
            await trio.sleep(self._lease / 3)
            try:
                await self._queue.heartbeat(held.work)
                held.until = self._lease_end()
            except TAKEN_AWAY:
                held.lost = True
                held.doing.cancel()
            except SchedulerError as error:
                if _ends_the_worker(error):
                    raise
                self._notify(Trouble(error, self._lease / 3))

    async def _do_and_tell(self, held: _Held) -> None:
        started = trio.current_time()
        outcome: Outcome | None = None
        self._notify(Event("started", held.work))
        try:
            with held.doing:
                outcome = await self._perform(held.work)
        finally:
            seconds = trio.current_time() - started
            if outcome is None:
                await self._stopped(held, seconds)
        if outcome is None:
            return
        if outcome.unfit:
            self.unfit = outcome.error
            self.take_no_more()
            await self._stopped(held, seconds)
        else:
            event = Event("lost", held.work, seconds, "its end could not be told to the queue")
            with held.telling:
                event = await self._tell(held.work, outcome, seconds)
            self._notify(event)

    async def _stopped(self, held: _Held, seconds: float) -> None:
        """It was terminated, or cannot be run: the task goes back, unless it is no longer ours."""
        event = Event("lost", held.work, seconds)
        if not held.lost:
            event = await self._release(held, seconds)
        self._notify(event)

    async def _release(self, held: _Held, seconds: float) -> Event:
        why = "the queue does not answer"
        with trio.move_on_after(LAST_CALLS_SECONDS, shield=True):
            try:
                await self._queue.release(held.work)
                return Event("released", held.work, seconds)
            except TAKEN_AWAY:
                return Event("lost", held.work, seconds)
            except SchedulerError as error:
                why = error.message
        free = utc_text(moment(held.until).replace(microsecond=0))
        return Event("held", held.work, seconds, f"{why}; free at {free}")

    async def _tell(self, work: Work, outcome: Outcome, seconds: float) -> Event:
        """Record the end; a queue that cannot answer is asked until it does.

        A result that is refused fails the task, for the next attempt would only print it again.
        """
        pause = PAUSE_FIRST
        while True:
            try:
                return await self._record(work, outcome, seconds)
            except TAKEN_AWAY:
                return Event("lost", work, seconds)
            except SchedulerError as error:
                if error.retryable:
                    pause = await self._pause(error, pause)
                elif _ends_the_worker(error):
                    raise
                elif outcome.error is None:
                    what = f"its result cannot be recorded: {error.message}"
                    outcome = Outcome(what, retryable=False)
                else:
                    what = f"its end cannot be recorded: {error.message}"
                    return Event("lost", work, seconds, what)

    async def _record(self, work: Work, outcome: Outcome, seconds: float) -> Event:
        if outcome.error is None:
            await self._queue.complete(work, outcome.result)
            return Event("completed", work, seconds)
        failed = await self._queue.fail(work, outcome.error, outcome.retryable)
        if failed.status is Status.FAILED:
            return Event("failed", work, seconds, outcome.error)
        again = 0.0
        if failed.again_at is not None:
            again = max(again, failed.again_at.timestamp() - self._wall_clock())
        left = failed.attempts_left
        return Event("retrying", work, seconds, outcome.error, again_s=again, attempts_left=left)


def _ends_the_worker(error: SchedulerError) -> bool:
    return not error.retryable and isinstance(error, OF_THE_QUEUE)
