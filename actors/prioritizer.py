"""The priority calculator: scores every task, and holds those whose prerequisites are met.

Holds SCHEDULED, READY and RUNNING tasks (`holdings`), leases, waiting claims and paused lanes
(`leasing`). Hears from ingest and the resolver; it alone tells the persister what changed, one
message for all that one command, or the claims of one drain, changed. What ends a task goes by way
of the resolver first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import assert_never

from msgspec.structs import replace

from actors import commands as c
from actors import limiting
from actors import messages as m
from actors.explaining import explain
from actors.holdings import Holdings
from actors.leasing import Leasing
from actors.messages import Post, To
from scheduler.domain import lifecycle
from scheduler.domain.priority import Weights
from scheduler.domain.task import Attempt, Status, Task

FIXED_WHILE_RUNNING = ("agent_type", "not_before_s", "limit_key")


class Prioritizer:
    """See the module. `random_bits(n)` returns n random bits, for lease tokens and jitter."""

    def __init__(self, random_bits: Callable[[int], int], weights: Weights | None = None) -> None:
        self.holdings = Holdings(weights or Weights())
        self.leasing = Leasing(self.holdings, random_bits)
        self._store_is_down = False
        self._looked_at = -inf  # for what was due

    # ------------------------------------------------------------- time

    def due(self) -> float:
        waiting_ends = self.leasing.due()
        return waiting_ends if self._store_is_down else min(waiting_ends, self.holdings.due())

    def after(self, now: float) -> list[Post]:
        """End what time has ended, then hand out what became ready to the claims that wait."""
        posts = self._time_passes(now) if self.due() <= now else []
        self.leasing.revocations.answer(now)
        if self.holdings.fresh:
            self.leasing.serve_waiting(now)
            self.holdings.fresh.clear()
        posts += self.leasing.take_gathered()
        posts += self.leasing.draining.take_drained()
        touched = self.holdings.take_touched()
        if touched:
            posts.append((To.PERSISTER, m.Touched(touched)))
        return posts

    def _time_passes(self, now: float) -> list[Post]:
        self.leasing.end_waiting(now)
        if self._store_is_down:
            return []
        posts = self.leasing.take_gathered()
        moved: list[Task] = []
        failed: list[Task] = []
        attempts: list[Attempt] = []
        last_attempts: list[Attempt] = []
        for task in self.holdings.take_timers(now):
            expired = task.status is Status.RUNNING
            changed = lifecycle.expire(task, now) if expired else lifecycle.open_at(task, now)
            last = changed.status.finished
            _, facts = self.holdings.withdraw(task.number, settling=last)
            if expired:
                self.leasing.revocations.note(task)
                ended = lifecycle.attempt_of(task, "expired", now, changed.error)
                (last_attempts if last else attempts).append(ended)
            if last:
                failed.append(changed)
            else:
                moved.append(self.holdings.score_and_hold(changed, facts, now))
        for scope in self.holdings.limits.take_opened(now):
            self.holdings.reopen(scope)
        self.holdings.rescore_due(now)
        if moved:
            posts.append((To.PERSISTER, m.Changed(moved=moved, attempts=attempts)))
        if failed:
            posts.append((To.RESOLVER, m.Settled(failed, last_attempts)))
        return posts

    # ------------------------------------------------------------- messages

    def handle(self, message: m.Gathered | m.PrioritizerMessage, now: float) -> list[Post]:
        match message:
            case c.ClaimReady():
                posts: list[Post] = []
                if now > self._looked_at and self.due() <= now:
                    posts = self._time_passes(now)
                self._looked_at = now  # once for all claims of a drain
                self.leasing.claim(message, now)
                return posts
            case c.Complete():
                self.leasing.complete(message, now)
                return []
            case _:
                return self.leasing.take_gathered() + self._handle(message, now)

    def _handle(self, message: m.PrioritizerMessage, now: float) -> list[Post]:
        match message:
            case m.Resolved():
                return self._resolved(message, now)
            case m.FactsChanged(facts):
                for number, new in facts:
                    self.holdings.update_facts(number, new, now)
                return []
            case c.Heartbeat():
                return self.leasing.heartbeat(message, now)
            case c.Fail():
                return self.leasing.fail(message, now)
            case c.Release():
                return self.leasing.release(message, now)
            case c.ReleaseHolders():
                return self.leasing.release_holders(message, now)
            case c.AwaitRevoked():
                self.leasing.listen(message, now)
                return []
            case c.Cancel():
                return self._cancel(message, now)
            case c.Update():
                return self._update(message)
            case c.AddPrerequisites():
                return self._add_prerequisites(message)
            case c.SetPaused():
                return self._set_paused(message)
            case c.Drain():
                return self._drain(message)
            case c.SetLimit():
                return limiting.set_limit(message, self.holdings, now)
            case c.GetLimits():
                return limiting.get_limits(message, self.holdings.limits, now)
            case c.WhyIdle():
                return limiting.explain_idle(message, self.holdings, self.leasing.is_open(now), now)
            case m.Returned(entry):
                self.holdings.touch(self.holdings.score_and_hold(entry.task, entry.facts, now))
                return []
            case m.Recovered():
                return self._recovered(message, now)
            case m.Explaining():
                return explain(message, self.holdings, self.leasing.paused, now)
            case m.TakeBack(claims):
                return self.leasing.take_back(claims, now)
            case m.StoreDown():
                self._store_is_down = True
                return []
            case m.StoreUp():
                self._store_is_down = False
                self.leasing.give_grace(now)
                return []
            case m.ClockJumped():
                self.leasing.give_grace(now)
                return []
            case m.SetSchedules(schedules, answers):
                return [(To.PERSISTER, m.Changed(schedules=schedules, answers=answers))]
            case m.Closing():
                self.leasing.close()
                return []
            case m.LookUp() | m.FindFallen() | m.NotHeld() | c.Flush() | c.Explain() | m.Again():
                return [(To.PERSISTER, message)]
            case _:
                assert_never(message)

    def _resolved(self, message: m.Resolved, now: float) -> list[Post]:
        """Score what the resolver has made or released; what is open is held here from now on."""
        handed = [self.holdings.score(entry, now) for entry in message.handed]
        kept = [self.holdings.score(entry, now) for entry in message.kept]
        self.holdings.hold_many(handed, message.handed, now)
        for task in message.ended:
            self.holdings.settled(task)
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
                    schedules=message.schedules,
                    answers=_answers(message.answers, changed),
                ),
            )
        ]

    def _recovered(self, message: m.Recovered, now: float) -> list[Post]:
        self.leasing.paused |= message.paused
        limits = [self.holdings.limits.restore(limit, now) for limit in message.limits]
        settled = [new for new, old in zip(limits, message.limits, strict=True) if new != old]
        handed = [self.holdings.score(entry, now) for entry in message.handed]
        self.holdings.hold_many(handed, message.handed, now)
        self.leasing.give_grace(now)
        moved = [task for task in handed if task.number in message.changed]
        moved += [entry.task for entry in message.kept if entry.task.number in message.changed]
        answer = m.Value(message.reply, None)
        changed = m.Changed(moved=moved + message.ended, limits=settled, answers=[answer])
        return [(To.PERSISTER, changed)]

    # ------------------------------------------------------------- changes from outside

    def _cancel(self, command: c.Cancel, now: float) -> list[Post]:
        task = self.holdings.tasks.get(command.number)
        if task is None or command.dry_run:
            return [(To.RESOLVER, replace(command, hops=command.hops + 1))]
        self.holdings.withdraw(command.number, settling=True)
        attempts = []
        if task.status is Status.RUNNING:
            self.leasing.revocations.note(task)
            attempts.append(lifecycle.attempt_of(task, "cancelled", now, command.reason))
        cancelled = lifecycle.cancel(task, now, command.reason)
        answer = m.Cancelled(command.reply, command.number)
        return [(To.RESOLVER, m.Settled([cancelled], attempts, [answer]))]

    def _update(self, command: c.Update) -> list[Post]:
        task = self.holdings.tasks.get(command.number)
        if task is None:
            return [(To.RESOLVER, replace(command, hops=command.hops + 1))]
        if task.status is not Status.RUNNING:
            self.holdings.withdraw(command.number)
            return [(To.RESOLVER, replace(command, task=task))]
        if any(column in command.changes for column in FIXED_WHILE_RUNNING):
            command.reply.refuse(
                lifecycle.illegal(task, "change its agent_type, limit_key or not_before")
            )
            return []
        task = lifecycle.revise(task, **command.changes)
        self.holdings.replace_running(task)
        answer = m.Value(command.reply, [task])
        return [
            (To.PERSISTER, m.Changed(rewritten=[task], answers=[answer])),
            (To.RESOLVER, m.Revised(task)),
        ]

    def _add_prerequisites(self, command: c.AddPrerequisites) -> list[Post]:
        task = self.holdings.tasks.get(command.number)
        if task is None:
            return [(To.RESOLVER, replace(command, hops=command.hops + 1))]
        if task.status is Status.RUNNING:
            command.reply.refuse(lifecycle.illegal(task, "wait for more tasks"))
            return []
        self.holdings.withdraw(command.number)
        return [(To.RESOLVER, replace(command, task=task))]

    def _set_paused(self, command: c.SetPaused) -> list[Post]:
        lane = command.agent_type
        if command.paused:
            self.leasing.paused.add(lane)
        else:
            self.leasing.paused.discard(lane)
            self.leasing.draining.resumed(lane)
            self.holdings.reopen(("agent_type", lane))
        answer = m.Value(command.reply, None)
        return [(To.PERSISTER, m.Changed(paused={lane: command.paused}, answers=[answer]))]

    def _drain(self, command: c.Drain) -> list[Post]:
        lane = command.agent_type
        self.leasing.paused.add(lane)
        self.leasing.draining.add(lane, command.reply)
        return [(To.PERSISTER, m.Changed(paused={lane: True}))]


def _answers(
    answers: Iterable[m.TasksMade | m.Value | m.Finished], changed: Iterable[Task]
) -> list[m.Answer]:
    """The answers, complete now that all tasks are scored."""
    made: dict[int, Task] = {}
    complete: list[m.Answer] = []
    for answer in answers:
        if isinstance(answer, m.TasksMade):
            made = made or {task.number: task for task in changed}
            if answer.existing:
                made |= {n: replace(old, existing=True) for n, old in answer.existing.items()}
            answer = m.Value(answer.reply, [made[number] for number in answer.numbers])
        complete.append(answer)
    return complete
