"""The jobs that a pool has in hand: how they begin, are told to stop, and end."""

from __future__ import annotations

import logging
from collections.abc import Callable

import outcome
import trio

from scheduler.domain.views import Claim
from scheduler.handle import Door
from scheduler.telemetry import spans
from scheduler.workers import endings
from scheduler.workers.endings import Ending
from scheduler.workers.executors import Executors
from scheduler.workers.handlers import Handler
from scheduler.workers.processes.outcomes import in_short
from scheduler.workers.reporter import Reporter
from scheduler.workers.running import Running, Stopped, Why
from scheduler.workers.timekeeper import Timekeeper

logger = logging.getLogger("headrace.workers")


class Lane:
    """The slots of one handler."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.free = handler.concurrency
        self.room = trio.Event()


class Hands:
    """See the module. `fail` is called with what no handler may keep to itself."""

    def __init__(
        self,
        door: Door,
        handlers: list[Handler],
        executors: Executors,
        chance: Callable[[], float],
        fail: Callable[[BaseException], None],
    ) -> None:
        self.lanes = {handler.agent_type: Lane(handler) for handler in handlers}
        self.by_token: dict[str, Running] = {}
        self.reporter = Reporter(door, self._told)
        self.times = Timekeeper()
        self.started = 0  # jobs, ever
        self._doing: dict[int, Running] = {}  # by number of the task
        self._next: dict[int, Running] = {}  # claimed again before that has ended
        self._executors = executors
        self._chance = chance
        self._fail = fail
        self._closing = False
        self._emptied = trio.Event()

    def running(self) -> list[Running]:
        """All jobs in hand."""
        return list(self.by_token.values())

    @property
    def empty(self) -> bool:
        """Whether no job is in hand, and the end of each was told."""
        return not self.by_token and not self.reporter.pending

    async def until_empty(self) -> None:
        """Return when all is told or, if the pool is to end, when no job is in hand."""
        while self.by_token or (self.reporter.pending and not self._closing):
            self._emptied = trio.Event()
            await self._emptied.wait()

    # ------------------------------------------------------------- from claim to job

    def take(self, lane: Lane, claim: Claim, *, revoked: bool) -> None:
        """Begin the job of a claim, unless that is in vain."""
        self.started += 1
        running = Running(lane.handler, claim)
        if revoked:
            return
        if self._closing:
            self.reporter.post(running, endings.release(claim.task, claim.token))
            return
        lane.free -= 1
        self.by_token[claim.token] = running
        if claim.task.number in self._doing:  # an attempt that was taken away is about to end
            self._next[claim.task.number] = running
        else:
            self._begin(running)

    def _begin(self, running: Running) -> None:
        running.begun = True
        self._doing[running.task.number] = running
        if running.seconds is not None:
            self.times.after(running.seconds, running, self._take_too_long)
        running.span = spans.begin(running.task)
        with running.span.current():
            self._executors.of(running.handler).start(running)

    # ------------------------------------------------------------- told to stop

    def close(self) -> None:
        """Tell all jobs to stop; from now on claims go back."""
        self._closing = True
        self._emptied.set()
        for running in self.running():
            self._stop(running, "closing")

    def lose(self, running: Running) -> None:
        """The claim of this job was taken away: nothing it does counts any more."""
        logger.info("task %s was taken away: %s is told to stop", running.task.id, running)
        self._stop(running, "lost")

    def _take_too_long(self, running: Running) -> None:
        self._stop(running, "timeout")

    def _stop(self, running: Running, why: Why) -> None:
        if running.over:
            return
        first = running.why is None
        if first or why == "lost":
            running.why = why
        if not running.begun:
            self.ended(running, outcome.Error(Stopped()))
        elif first:
            running.cancel()
            self.times.after(running.handler.grace, running, self._after_grace)

    def _after_grace(self, running: Running) -> None:
        """It was told to stop, and goes on: a subprocess is being killed, others cannot be."""
        handler, seconds = running.handler, running.handler.grace
        if handler.kind == "subprocess":
            return
        running.overdue = True
        if self._executors.of(handler).can_abandon:
            logger.error(
                "%s goes on %g s after it was told to stop (%s) on task %s: its thread is left"
                " alone. Let it look at job.cancelled, or call job.check().",
                *(handler.title, seconds, running.why, running.task.id),
            )
            self.ended(running, outcome.Error(Stopped()))
        else:
            logger.error(
                "%s goes on %g s after it was cancelled (%s) on task %s, whose lease is not"
                " extended any more. It must let the cancellation pass.",
                *(handler.title, seconds, running.why, running.task.id),
            )

    # ------------------------------------------------------------- ended

    def ended(self, running: Running, result: outcome.Maybe[object]) -> None:
        """A job has returned, raised, or stopped. Called once more by an abandoned thread."""
        if running.over:
            return
        running.over = True
        del self.by_token[running.claim.token]
        lane = self.lanes[running.handler.agent_type]
        lane.free += 1
        lane.room.set()
        self._let_next_begin(running)
        ending = self._ending(running, result)
        running.span.end(*endings.in_short(ending, result))
        if ending is None:
            self._told(running)
            return
        if ending.finish.verb == "fail":
            logger.warning("task %s: %s", running.task.id, in_short(ending.finish.error or ""))
        self.reporter.post(running, ending)

    def _let_next_begin(self, running: Running) -> None:
        """The next attempt of the same task, if its claim came before this one had ended."""
        number = running.task.number
        if self._next.get(number) is running:
            del self._next[number]
        elif self._doing.get(number) is running:
            del self._doing[number]
            following = self._next.pop(number, None)
            if following is not None:
                self._begin(following)

    def give_up(self, running: Running) -> None:
        """Nothing runs it any more, or nobody will hear how it ends: its task goes back."""
        running.why = running.why or "closing"
        self.ended(running, outcome.Error(Stopped()))

    def _ending(self, running: Running, result: outcome.Maybe[object]) -> Ending | None:
        handler, task, token = running.handler, running.task, running.claim.token
        error = result.error if isinstance(result, outcome.Error) else None
        if error is not None and handler.kind != "thread" and endings.interrupts(error):
            self._fail(error)
            return endings.release(task, token)
        match running.why:
            case "lost":
                return None
            case "timeout":
                assert running.seconds is not None
                return endings.of_timeout(handler, task, token, running.seconds, self._chance())
            case "closing" if not (error is None and handler.kind == "thread"):
                # A value of a coroutine that was cancelled may be that of one that caught it.
                return endings.release(task, token)
            case _:
                return endings.of_outcome(handler, task, token, result, self._chance())

    def _told(self, running: Running) -> None:
        if self.empty or (self._closing and not self.by_token):
            self._emptied.set()
