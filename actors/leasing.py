"""Leases: who may work on which ready task, how that ends, and who waits for the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from actors import commands as c
from actors import messages as m
from actors import refusals
from actors.draining import Draining
from actors.holdings import FEW, Holdings
from actors.messages import Post, To
from actors.reply import Reply
from actors.revocations import Revocations
from actors.waiting_claims import WaitingClaims
from scheduler.domain import lifecycle
from scheduler.domain.errors import SchedulerError
from scheduler.domain.limits import Limit
from scheduler.domain.task import Attempt, Status, Task
from scheduler.domain.turns import IsOpen
from scheduler.domain.views import Ended

TOKEN_BITS = 128
JITTER_BITS = 16


class Leasing:
    """The part of the prioritizer that deals with workers; it returns what to send.

    What ends a task for good goes to the resolver, all else straight to the persister. Claims and
    completions that come together are sent on together: they are gathered until `take_gathered`.
    """

    def __init__(self, holdings: Holdings, random_bits: Callable[[int], int]) -> None:
        self.paused: set[str] = set()
        self.draining = Draining(lambda lane: holdings.limits.live(("agent_type", lane)))
        self._holdings = holdings
        self._random_bits = random_bits
        self.revocations = Revocations()
        self._waiting = WaitingClaims()
        self._closing = False
        self._claimed: list[Task] = []
        self._spent: list[Limit] = []
        self._granted: list[m.Granted] = []
        self._longer: dict[int, str] = {}  # tokens of leases that a heartbeat made longer
        self._completed: list[Task] = []
        self._attempts: list[Attempt] = []
        self._finished: list[m.Finished] = []

    def due(self) -> float:
        """When the first of those who wait has waited long enough."""
        return min(self._waiting.due(), self.revocations.due())

    def end_waiting(self, now: float) -> None:
        """Answer the claims that have waited long enough."""
        for claim in self._waiting.take_ended(now):
            claim.reply.answer([])

    def close(self) -> None:
        """Answer all who wait, and let none wait any more."""
        self._closing = True
        self.draining.close()
        self.revocations.close()
        for claim in self._waiting.take_all():
            claim.reply.answer([])

    def take_gathered(self) -> list[Post]:
        """The claims and completions since the last call; they concern different tasks."""
        posts: list[Post] = []
        if self._granted:
            claims = m.Changed(moved=self._claimed, limits=self._spent, answers=self._granted)
            posts.append((To.PERSISTER, claims))
            self._claimed, self._spent, self._granted = [], [], []
        if self._finished:
            ends = m.Settled(self._completed, self._attempts, self._finished)
            posts.append((To.RESOLVER, ends))
            self._completed, self._attempts, self._finished = [], [], []
        return posts

    # ------------------------------------------------------------- claims

    def claim(self, command: c.ClaimReady, now: float) -> None:
        if command.reply.abandoned or self._grant(command, now):
            return
        if command.wait > 0 and not self._closing:
            self._waiting.add(command, now + command.wait)
        else:
            command.reply.answer([])

    def serve_waiting(self, now: float) -> None:
        if not self._waiting:
            return
        fresh = self._holdings.fresh - self.paused
        while fresh and (oldest := self._waiting.oldest(fresh)) is not None:
            serial, command = oldest
            if self._grant(command, now):
                self._waiting.remove(serial)
            else:
                fresh -= set(command.agent_types or fresh)

    def _grant(self, command: c.ClaimReady, now: float) -> bool:
        """Lease the best ready tasks; False if there is none."""
        lanes = command.agent_types
        claimed: list[Task] = []
        holdings, is_open = self._holdings, self.is_open(now)
        while len(claimed) < command.limit:
            task = holdings.take_best(lanes, is_open)
            if task is None:
                break
            token = self._random_bits(TOKEN_BITS).to_bytes(TOKEN_BITS // 8).hex()
            task = lifecycle.claim(task, command.holder, token, command.lease, now)
            holdings.start(task)
            claimed.append(task)
            if holdings.limits:
                self._spent += holdings.limits.spend(task, now)
        if not claimed:
            return False
        self._claimed += claimed
        self._granted.append(m.Granted(command.reply, claimed))
        return True

    def is_open(self, now: float) -> IsOpen | None:
        """Tells whether tasks of a lane and limit key may start; None: any may."""
        paused, limits = self.paused, self._holdings.limits
        if not paused and not limits:
            return None

        def is_open(lane: str, limit_key: str | None) -> bool:
            return lane not in paused and limits.is_open(lane, limit_key, now)

        return is_open

    # ------------------------------------------------------------- while they work

    def heartbeat(self, command: c.Heartbeat, now: float) -> list[Post]:
        task = self._mine(command.number, command.token)
        if task is None:
            return self._refuse_holder(command.number, command.reply)
        before = task.lease_s
        task = lifecycle.heartbeat(task, command.lease, command.progress, command.note, now)
        self._holdings.replace_running(task)
        self._holdings.touch(task)
        assert task.lease_expires_s is not None and task.lease_s is not None and before is not None
        if task.lease_s > before or self._longer.get(task.number) == task.token:
            return self._heard_when_saved(task, command.reply)
        command.reply.answer(task.lease_expires_s)
        return []

    def _heard_when_saved(self, task: Task, reply: Reply[float]) -> list[Post]:
        """A lease that has grown: a restart gives it its length on record, so that comes first."""
        if len(self._longer) > FEW:
            tasks = self._holdings.tasks
            self._longer = {n: token for n, token in self._longer.items() if n in tasks}
        assert task.token is not None
        self._longer[task.number] = task.token
        answer = m.Value(reply, task.lease_expires_s)
        touched = m.Touched(self._holdings.take_touched())
        return [(To.PERSISTER, touched), (To.PERSISTER, m.Changed(answers=[answer]))]

    def _mine(self, number: int, token: str) -> Task | None:
        """The running task that this token holds."""
        task = self._holdings.tasks.get(number)
        if task is None or task.token != token or task.status is not Status.RUNNING:
            return None
        return task

    def _refuse_holder(self, number: int, reply: Reply[float]) -> list[Post]:
        task = self._holdings.tasks.get(number)
        if task is None:
            return [(To.RESOLVER, m.NotHeld(number, None, reply))]  # behind its end, if on its way
        reply.refuse(refusals.lease_lost(task))
        return []

    # ------------------------------------------------------------- how it ends

    def complete(self, command: c.Complete, now: float) -> None:
        outcomes: list[Ended | SchedulerError | c.Finish] = []
        for finish in command.finishes:
            task = self._mine(finish.number, finish.token)
            if task is None:
                outcomes.append(self._not_mine(finish))
                continue
            self._holdings.withdraw(finish.number, settling=True)
            completed = lifecycle.complete(task, finish.result_json, now)
            self._completed.append(completed)
            self._attempts.append(lifecycle.attempt_of(task, "completed", now))
            outcomes.append(Ended(completed))
        self._finished.append(m.Finished(command.reply, outcomes))

    def _not_mine(self, finish: c.Finish) -> Ended | SchedulerError | c.Finish:
        """What a call with this token hears; the Finish itself if only the record can tell."""
        task = self._holdings.tasks.get(finish.number)
        if task is None:
            return finish
        if lifecycle.ended_by(task, finish.token) == finish.verb:
            return Ended(task)  # a repeated call is answered as the first was
        return refusals.lease_lost(task)

    def fail(self, command: c.Fail, now: float) -> list[Post]:
        finish = command.finish
        task = self._mine(finish.number, finish.token)
        if task is None:
            return self._answer_late(finish, command.reply)
        error = finish.error or ""
        again = command.retryable and task.attempt < task.max_attempts
        _, facts = self._holdings.withdraw(finish.number, settling=not again)
        attempts = [lifecycle.attempt_of(task, "failed", now, error)]
        if again:
            jitter = self._random_bits(JITTER_BITS) / 2**JITTER_BITS
            delay = lifecycle.backoff(task.attempt, jitter)
            if command.retry_after is not None:
                delay = command.retry_after
            task = self._holdings.score_and_hold(
                lifecycle.retry_later(task, error, delay, now), facts, now
            )
            return self._end_attempt(task, attempts, command.reply)
        failed = lifecycle.fail(task, error, now)
        answer = m.Finished(command.reply, [Ended(failed)])
        return [(To.RESOLVER, m.Settled([failed], attempts, [answer]))]

    def release(self, command: c.Release, now: float) -> list[Post]:
        finish = command.finish
        task = self._mine(finish.number, finish.token)
        if task is None:
            return self._answer_late(finish, command.reply)
        attempts = [lifecycle.attempt_of(task, "released", now)]
        _, facts = self._holdings.withdraw(finish.number)
        task = self._holdings.score_and_hold(lifecycle.release(task), facts, now)
        return self._end_attempt(task, attempts, command.reply)

    def _end_attempt(
        self, task: Task, attempts: list[Attempt], reply: Reply[c.Outcomes]
    ) -> list[Post]:
        answer = m.Finished(reply, [Ended(task)])
        return [(To.PERSISTER, m.Changed(moved=[task], attempts=attempts, answers=[answer]))]

    def _answer_late(self, finish: c.Finish, reply: Reply[c.Outcomes]) -> list[Post]:
        """The task is not running under this token; the answer follows what is on its way."""
        answer = m.Finished(reply, [self._not_mine(finish)])
        return [(To.RESOLVER, m.Settled([], answers=[answer]))]

    # ------------------------------------------------------------- decided by others

    def listen(self, command: c.AwaitRevoked, now: float) -> None:
        """A holder wants to hear which of its claims are taken away."""
        if self._closing:
            command.reply.answer([])
        elif not command.reply.abandoned:
            self.revocations.listen(command, now)

    def take_back(self, claims: Iterable[tuple[int, str]], now: float) -> list[Post]:
        """Claims that nobody heard of go back as if they had never been."""
        tasks = [task for claim in claims if (task := self._mine(*claim)) is not None]
        moved = [self._interrupt(task, now) for task in tasks]
        return [(To.PERSISTER, m.Changed(moved=moved))] if moved else []

    def release_holders(self, command: c.ReleaseHolders, now: float) -> list[Post]:
        tasks = [
            task
            for task in self._holdings.running()
            if task.holder is not None and task.holder.startswith(command.prefix)
        ]
        for task in tasks:
            self.revocations.note(task)
        attempts = [lifecycle.attempt_of(task, "interrupted", now) for task in tasks]
        moved = [self._interrupt(task, now) for task in tasks]
        answer = m.Value(command.reply, moved)
        return [(To.PERSISTER, m.Changed(moved=moved, attempts=attempts, answers=[answer]))]

    def _interrupt(self, task: Task, now: float) -> Task:
        _, facts = self._holdings.withdraw(task.number)
        return self._holdings.score_and_hold(lifecycle.interrupt(task), facts, now)

    def give_grace(self, now: float) -> None:
        """A full lease for everyone: nobody could work, or be heard, in the meantime."""
        for task in self._holdings.running():
            extended = lifecycle.heartbeat(task, None, None, None, now)
            self._holdings.replace_running(extended)
            self._holdings.touch(extended)
