"""The priority calculator: scores every task, and holds those whose prerequisites are met.

Holds SCHEDULED, READY and RUNNING tasks, leases, timers, waiting claims and paused lanes.
Hears from ingest and the resolver; it alone tells the persister what changed, one message for
all that one command changed. What ends a task goes by way of the resolver first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import assert_never

from msgspec.structs import replace

from actors import messages as m
from actors import refusals
from actors.explaining import explain
from actors.holdings import Holdings
from actors.messages import Entry, Post, To
from actors.reply import Reply
from actors.waiting_claims import WaitingClaims
from scheduler.domain import lifecycle
from scheduler.domain.errors import SchedulerError
from scheduler.domain.priority import Facts, Weights
from scheduler.domain.task import Attempt, Status, Task
from scheduler.domain.views import Ended

TOKEN_BITS = 128
JITTER_BITS = 16
FIXED_WHILE_RUNNING = ("agent_type", "not_before_s")


class Prioritizer:
    """See the module. `random_bits(n)` returns n random bits, for lease tokens and jitter."""

    def __init__(self, random_bits: Callable[[int], int], weights: Weights | None = None) -> None:
        self.weights = weights or Weights()
        self.holdings = Holdings(self.weights)
        self.paused: set[str] = set()
        self._random_bits = random_bits
        self._waiting = WaitingClaims()
        self._touched: dict[int, Task] = {}
        self._store_is_down = False
        self._closing = False

    # ------------------------------------------------------------- time

    def due(self) -> float:
        held = inf if self._store_is_down else self.holdings.due()
        return min(held, self._waiting.due())

    def after(self, now: float) -> list[Post]:
        """End what time has ended, then hand out what became ready to the claims that wait."""
        posts = self._time_passes(now) if self.due() <= now else []
        if self._waiting and self.holdings.fresh:
            posts += self._serve_waiting(now)
        self.holdings.fresh.clear()
        if self._touched:
            posts.append((To.PERSISTER, m.Touched(list(self._touched.values()))))
            self._touched = {}
        return posts

    def _time_passes(self, now: float) -> list[Post]:
        for claim in self._waiting.take_ended(now):
            claim.reply.answer([])
        if self._store_is_down:
            return []
        moved: list[Task] = []
        failed: list[Task] = []
        attempts: list[Attempt] = []
        for task in self.holdings.take_timers(now):
            _, facts = self.holdings.withdraw(task.number)
            if task.status is Status.RUNNING:
                changed = lifecycle.expire(task, now)
                attempts.append(lifecycle.attempt_of(task, "expired", now, changed.error))
            else:
                changed = lifecycle.open_at(task, now)
            if changed.status is Status.FAILED:
                failed.append(changed)
            else:
                moved.append(self._hold(changed, facts, now))
        self._touch(self.holdings.rescore_due(now))
        posts: list[Post] = []
        if moved:
            posts.append((To.PERSISTER, m.Changed(moved=moved, attempts=attempts)))
            attempts = []
        if failed:
            posts.append((To.RESOLVER, m.Settled(failed, attempts)))
        return posts

    def _hold(self, task: Task, facts: Facts, now: float) -> Task:
        scored = self.holdings.score(Entry(task, facts), now)
        self.holdings.hold(scored, facts, now)
        return scored

    def _touch(self, tasks: Iterable[Task]) -> None:
        """Let the persister know of them, without a change in the feed."""
        self._touched |= {task.number: task for task in tasks}

    # ------------------------------------------------------------- messages

    def handle(self, message: m.PrioritizerMessage, now: float) -> list[Post]:
        match message:
            case m.Resolved():
                return self._resolved(message, now)
            case m.ClaimReady():
                return self._claim(message, now)
            case m.Complete():
                return self._complete(message, now)
            case m.FactsChanged(facts):
                updated = (self.holdings.update_facts(number, new, now) for number, new in facts)
                self._touch(task for task in updated if task is not None)
                return []
            case m.Heartbeat():
                return self._heartbeat(message, now)
            case m.Fail():
                return self._fail(message, now)
            case m.Release():
                return self._release(message, now)
            case m.ReleaseHolders():
                return self._release_holders(message, now)
            case m.Cancel():
                return self._cancel(message, now)
            case m.Update():
                return self._update(message)
            case m.AddPrerequisites():
                return self._add_prerequisites(message)
            case m.SetPaused():
                return self._set_paused(message)
            case m.Returned(entry):
                self.holdings.hold(entry.task, entry.facts, now)
                return []
            case m.Recovered():
                return self._recovered(message, now)
            case m.Explaining():
                return explain(self, message, now)
            case m.TakeBack(claims):
                return self._take_back(claims, now)
            case m.StoreDown():
                self._store_is_down = True
                return []
            case m.StoreUp() | m.ClockJumped():
                self._store_is_down = self._store_is_down and isinstance(message, m.ClockJumped)
                self._give_grace(now)
                return []
            case m.Closing():
                self._closing = True
                for claim in self._waiting.take_all():
                    claim.reply.answer([])
                return []
            case m.LookUp() | m.FindFallen() | m.NotHeld() | m.Flush() | m.Explain():
                return [(To.PERSISTER, message)]
            case _:
                assert_never(message)

    def _resolved(self, message: m.Resolved, now: float) -> list[Post]:
        """Score what the resolver has made or released; what is open is held here from now on."""
        handed = [self.holdings.score(entry, now) for entry in message.handed]
        kept = [self.holdings.score(entry, now) for entry in message.kept]
        self.holdings.hold_many(handed, message.handed, now)
        changed = handed + kept if kept else handed
        nature = message.nature
        return [
            (
                To.PERSISTER,
                m.Changed(
                    new=changed if nature == "new" else [],
                    moved=changed + message.ended if nature == "moved" else message.ended,
                    rewritten=changed if nature == "rewritten" else [],
                    attempts=message.attempts,
                    durations=message.durations,
                    reopened=message.reopened,
                    keys=message.keys,
                    answers=_answers(message.answers, changed),
                ),
            )
        ]

    def _recovered(self, message: m.Recovered, now: float) -> list[Post]:
        self.paused |= message.paused
        handed = [self.holdings.score(entry, now) for entry in message.handed]
        self.holdings.hold_many(handed, message.handed, now)
        self._give_grace(now)
        moved = [task for task in handed if task.number in message.changed]
        moved += [entry.task for entry in message.kept if entry.task.number in message.changed]
        answer = m.Value(message.reply, None)
        return [(To.PERSISTER, m.Changed(moved=moved + message.ended, answers=[answer]))]

    # ------------------------------------------------------------- claims

    def _claim(self, command: m.ClaimReady, now: float) -> list[Post]:
        if command.reply.abandoned:
            return []
        if posts := self._grant(command, now):
            return posts
        if command.wait > 0 and not self._closing:
            self._waiting.add(command, now + command.wait)
        else:
            command.reply.answer([])
        return []

    def _serve_waiting(self, now: float) -> list[Post]:
        posts: list[Post] = []
        fresh = self.holdings.fresh - self.paused
        while fresh and (oldest := self._waiting.oldest(fresh)) is not None:
            serial, command = oldest
            granted = self._grant(command, now)
            if granted:
                self._waiting.remove(serial)
                posts += granted
            else:
                fresh -= set(command.agent_types or fresh)
        return posts

    def _grant(self, command: m.ClaimReady, now: float) -> list[Post]:
        """Lease the best ready tasks; nothing if there is none."""
        lanes = self._open_lanes(command.agent_types)
        claimed: list[Task] = []
        holdings = self.holdings
        while len(claimed) < command.limit:
            task = holdings.take_best(lanes)
            if task is None:
                break
            token = f"{self._random_bits(TOKEN_BITS):032x}"
            task = lifecycle.claim(task, command.holder, token, command.lease, now)
            holdings.hold(task, holdings.facts[task.number], now)
            claimed.append(task)
        if not claimed:
            return []
        granted = m.Granted(command.reply, claimed)
        return [(To.PERSISTER, m.Changed(moved=claimed, answers=[granted]))]

    def _open_lanes(self, wanted: tuple[str, ...] | None) -> list[str] | tuple[str, ...] | None:
        if not self.paused:
            return wanted
        lanes = self.holdings.queue.lanes() if wanted is None else wanted
        return [lane for lane in lanes if lane not in self.paused]

    def _heartbeat(self, command: m.Heartbeat, now: float) -> list[Post]:
        task = self._mine(command.number, command.token)
        if task is None:
            return self._refuse_holder(command.number, command.reply)
        task = lifecycle.heartbeat(task, command.lease, command.progress, command.note, now)
        self.holdings.replace_running(task)
        self._touch([task])
        assert task.lease_expires_s is not None
        command.reply.answer(task.lease_expires_s)
        return []

    def _mine(self, number: int, token: str) -> Task | None:
        """The running task that this token holds."""
        task = self.holdings.tasks.get(number)
        if task is None or task.token != token or task.status is not Status.RUNNING:
            return None
        return task

    def _refuse_holder(self, number: int, reply: Reply[float]) -> list[Post]:
        task = self.holdings.tasks.get(number)
        if task is None:
            return [(To.PERSISTER, m.NotHeld(number, None, reply))]
        reply.refuse(refusals.lease_lost(task))
        return []

    def _complete(self, command: m.Complete, now: float) -> list[Post]:
        settled: list[Task] = []
        attempts: list[Attempt] = []
        outcomes: list[Ended | SchedulerError | m.Finish] = []
        for finish in command.finishes:
            task = self._mine(finish.number, finish.token)
            if task is None:
                outcomes.append(self._not_mine(finish))
                continue
            self.holdings.withdraw(finish.number)
            completed = lifecycle.complete(task, finish.result_json, now)
            settled.append(completed)
            attempts.append(lifecycle.attempt_of(task, "completed", now))
            outcomes.append(Ended(completed))
        answer = m.Finished(command.reply, outcomes)
        return [(To.RESOLVER, m.Settled(settled, attempts, answer))]

    def _not_mine(self, finish: m.Finish) -> Ended | SchedulerError | m.Finish:
        """What a call with this token hears; the Finish itself if only the record can tell."""
        task = self.holdings.tasks.get(finish.number)
        if task is None:
            return finish
        if lifecycle.ended_by(task, finish.token) == finish.verb:
            return Ended(task)  # a repeated call is answered as the first was
        return refusals.lease_lost(task)

    def _fail(self, command: m.Fail, now: float) -> list[Post]:
        finish = command.finish
        task = self._mine(finish.number, finish.token)
        if task is None:
            return self._answer_late(finish, command.reply)
        error = finish.error or ""
        _, facts = self.holdings.withdraw(finish.number)
        attempts = [lifecycle.attempt_of(task, "failed", now, error)]
        if command.retryable and task.attempt < task.max_attempts:
            jitter = self._random_bits(JITTER_BITS) / 2**JITTER_BITS
            delay = lifecycle.backoff(task.attempt, jitter)
            task = self._hold(lifecycle.retry_later(task, error, delay, now), facts, now)
            return self._end_attempt(task, attempts, command.reply)
        failed = lifecycle.fail(task, error, now)
        answer = m.Finished(command.reply, [Ended(failed)])
        return [(To.RESOLVER, m.Settled([failed], attempts, answer))]

    def _release(self, command: m.Release, now: float) -> list[Post]:
        finish = command.finish
        task = self._mine(finish.number, finish.token)
        if task is None:
            return self._answer_late(finish, command.reply)
        attempts = [lifecycle.attempt_of(task, "released", now)]
        _, facts = self.holdings.withdraw(finish.number)
        task = self._hold(lifecycle.release(task), facts, now)
        return self._end_attempt(task, attempts, command.reply)

    def _end_attempt(
        self, task: Task, attempts: list[Attempt], reply: Reply[m.Outcomes]
    ) -> list[Post]:
        answer = m.Finished(reply, [Ended(task)])
        return [(To.PERSISTER, m.Changed(moved=[task], attempts=attempts, answers=[answer]))]

    def _answer_late(self, finish: m.Finish, reply: Reply[m.Outcomes]) -> list[Post]:
        """The task is not running under this token; the answer follows what is on its way."""
        answer = m.Finished(reply, [self._not_mine(finish)])
        return [(To.RESOLVER, m.Settled([], answer=answer))]

    def _take_back(self, claims: Iterable[tuple[int, str]], now: float) -> list[Post]:
        """Claims that nobody heard of go back as if they had never been."""
        tasks = [task for claim in claims if (task := self._mine(*claim)) is not None]
        moved = [self._interrupt(task, now) for task in tasks]
        return [(To.PERSISTER, m.Changed(moved=moved))] if moved else []

    def _release_holders(self, command: m.ReleaseHolders, now: float) -> list[Post]:
        tasks = [
            task
            for task in self.holdings.running()
            if task.holder is not None and task.holder.startswith(command.prefix)
        ]
        attempts = [lifecycle.attempt_of(task, "interrupted", now) for task in tasks]
        moved = [self._interrupt(task, now) for task in tasks]
        answer = m.Value(command.reply, moved)
        return [(To.PERSISTER, m.Changed(moved=moved, attempts=attempts, answers=[answer]))]

    def _interrupt(self, task: Task, now: float) -> Task:
        _, facts = self.holdings.withdraw(task.number)
        return self._hold(lifecycle.interrupt(task), facts, now)

    def _give_grace(self, now: float) -> None:
        """A full lease for everyone: nobody could work, or be heard, in the meantime."""
        for task in self.holdings.running():
            extended = lifecycle.heartbeat(task, None, None, None, now)
            self.holdings.replace_running(extended)
            self._touch([extended])

    # ------------------------------------------------------------- changes from outside

    def _cancel(self, command: m.Cancel, now: float) -> list[Post]:
        task = self.holdings.tasks.get(command.number)
        if task is None or command.dry_run:
            return [(To.RESOLVER, replace(command, hops=command.hops + 1))]
        self.holdings.withdraw(command.number)
        attempts = []
        if task.status is Status.RUNNING:
            attempts.append(lifecycle.attempt_of(task, "cancelled", now, command.reason))
        cancelled = lifecycle.cancel(task, now, command.reason)
        answer = m.Cancelled(command.reply, command.number)
        return [(To.RESOLVER, m.Settled([cancelled], attempts, answer))]

    def _update(self, command: m.Update) -> list[Post]:
        task = self.holdings.tasks.get(command.number)
        if task is None:
            return [(To.RESOLVER, replace(command, hops=command.hops + 1))]
        if task.status is not Status.RUNNING:
            self.holdings.withdraw(command.number)
            return [(To.RESOLVER, replace(command, task=task))]
        if any(column in command.changes for column in FIXED_WHILE_RUNNING):
            command.reply.refuse(lifecycle.illegal(task, "change its agent_type or not_before"))
            return []
        task = lifecycle.revise(task, **command.changes)
        self.holdings.replace_running(task)
        answer = m.Value(command.reply, [task])
        return [
            (To.PERSISTER, m.Changed(rewritten=[task], answers=[answer])),
            (To.RESOLVER, m.Revised(task)),
        ]

    def _add_prerequisites(self, command: m.AddPrerequisites) -> list[Post]:
        task = self.holdings.tasks.get(command.number)
        if task is None:
            return [(To.RESOLVER, replace(command, hops=command.hops + 1))]
        if task.status is Status.RUNNING:
            command.reply.refuse(lifecycle.illegal(task, "wait for more tasks"))
            return []
        self.holdings.withdraw(command.number)
        return [(To.RESOLVER, replace(command, task=task))]

    def _set_paused(self, command: m.SetPaused) -> list[Post]:
        lane = command.agent_type
        if command.paused:
            self.paused.add(lane)
        else:
            self.paused.discard(lane)
            self.holdings.fresh.add(lane)
        answer = m.Value(command.reply, None)
        return [(To.PERSISTER, m.Changed(paused={lane: command.paused}, answers=[answer]))]


def _answers(
    answers: Iterable[m.TasksMade | m.Value | m.Finished], changed: Iterable[Task]
) -> list[m.Answer]:
    """The answers, complete now that all tasks are scored."""
    made: dict[int, Task] | None = None
    complete: list[m.Answer] = []
    for answer in answers:
        if isinstance(answer, m.TasksMade):
            made = {task.number: task for task in changed} if made is None else made
            for number, old in answer.existing.items():
                made[number] = replace(old, existing=True)
            answer = m.Value(answer.reply, [made[number] for number in answer.numbers])
        complete.append(answer)
    return complete
