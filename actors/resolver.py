"""The dependency resolver: knows who waits for whom, and holds what waits.

Holds the graph of all unfinished tasks, the BLOCKED tasks themselves, and the durations
learned of each agent_type. Hears from ingest and the prioritizer; speaks to the prioritizer,
through which everything it changes goes on to the persister.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from actors import commands as c
from actors import messages as m
from actors import prerequisites, refusals, reopening, revising
from actors.collecting import no_collection
from actors.dependencies import Dependencies
from actors.messages import Entry, Post, Statuses, To
from scheduler.domain import ids, lifecycle
from scheduler.domain.errors import (
    DependencyCycle,
    SchedulerError,
)
from scheduler.domain.graph import Settlement
from scheduler.domain.plan import execution_plan
from scheduler.domain.priority import SOURCE_SCORES, Weights
from scheduler.domain.task import Status, Task
from scheduler.domain.views import Cancellation, Ended


class Resolver:
    """See the module. `max_unfinished` bounds what the graph may hold."""

    def __init__(
        self,
        weights: Weights | None = None,
        sources: Mapping[str, float] = SOURCE_SCORES,
        max_unfinished: int = 1_000_000,
    ) -> None:
        self.dependencies = Dependencies(sources, max_unfinished)
        self._weights = weights or Weights()
        self._sweeping = False

    def due(self) -> float:
        return 0.0 if self._sweeping else float("inf")

    def after(self, now: float) -> list[Post]:
        """Go on with the facts that are not yet at rest, and report those that moved."""
        self._sweeping = self.dependencies.graph.sweep()
        changed = [
            (number, self.dependencies.graph.facts(number))
            for number in self.dependencies.graph.take_changed()
            if number not in self.dependencies.held
        ]
        return [(To.PRIORITIZER, m.FactsChanged(changed))] if changed else []

    def handle(self, message: m.ResolverMessage, now: float) -> list[Post]:
        try:
            return self._handle(message, now)
        except SchedulerError as error:
            return self._refuse(message, error)

    def _handle(self, message: m.ResolverMessage, now: float) -> list[Post]:
        match message:
            case m.Admit():
                return self._admit(message, {}, now)
            case m.Settled():
                return self._settled(message, now)
            case m.LookedUp():
                return self._looked_up(message, now)
            case m.LookUpFailed(command, error):
                return self._refuse(command, error)
            case c.Cancel():
                return self._cancel(message, now)
            case c.Update():
                return revising.update(self.dependencies, message, now)
            case c.AddPrerequisites():
                return revising.add_prerequisites(self.dependencies, message, {}, now)
            case m.Revised(task):
                if task.number in self.dependencies.graph:
                    self.dependencies.graph.revise(task)
                return []
            case c.Retry():
                return reopening.retry(self.dependencies, message)
            case m.FallenFound():
                return reopening.reopen(self.dependencies, message, now)
            case c.MakePlan():
                return self._plan(message, {})
            case c.Explain():
                return self._explain(message)
            case m.Recover():
                return reopening.recover(self.dependencies, message, now)
            case c.Flush() | m.Again() | m.SetSchedules() | m.NotHeld():
                return [(To.PRIORITIZER, message)]
            case _:
                assert_never(message)

    def _looked_up(self, message: m.LookedUp, now: float) -> list[Post]:
        """Handle a command anew, now that the facts it lacked are there."""
        match message.command:
            case m.Admit() as command:
                return self._admit(command, message.statuses, now)
            case c.AddPrerequisites() as command:
                return revising.add_prerequisites(self.dependencies, command, message.statuses, now)
            case c.MakePlan() as command:
                return self._plan(command, message.statuses)

    def _refuse(self, message: m.ResolverMessage, error: SchedulerError) -> list[Post]:
        """A client's mistake: say so, and give back what the command had taken along."""
        match message.command if isinstance(message, m.LookedUp) else message:
            case m.Admit(firing=m.Firing() as firing):
                return [(To.INGEST, m.FiringRefused(firing))]
            case m.Admit(answers=answers, keys=keys):
                for answer in answers:
                    answer.reply.refuse(_by_place(error, answer.numbers))
                return [(To.INGEST, m.KeysSettled(keys))] if keys else []
            case c.AddPrerequisites(number=number, reply=reply):
                reply.refuse(error)
                return revising.give_back(self.dependencies, number)
            case m.FallenFound(retry=c.Retry(reply=retry_reply)):
                retry_reply.refuse(error)
            case c.Cancel() | c.Retry() | c.MakePlan() as command:
                command.reply.refuse(error)
            case _:
                raise error
        return []

    # ------------------------------------------------------------- tasks come in

    def _admit(self, command: m.Admit, statuses: Statuses, now: float) -> list[Post]:
        tasks = command.tasks
        missing = prerequisites.unknown(tasks, self.dependencies.graph, statuses)
        if missing:
            return [prerequisites.look_up(missing, statuses, command)]
        for task in tasks if statuses else ():
            prerequisites.check(task, self.dependencies.graph, statuses)
        if len(command.answers) > 1 and not self.dependencies.has_room(len(tasks)):
            return self._admit_one_by_one(command, now)
        self.dependencies.check_room(len(tasks))
        tasks = [self.dependencies.estimated(task) for task in tasks]
        self.dependencies.graph.admit(tasks)
        handed, kept = self.dependencies.place(tasks, now, lifecycle.open_new)
        after = None if command.firing is None else command.firing.after
        resolved = m.Resolved(
            handed=handed,
            kept=kept,
            nature="new",
            keys=command.keys,
            schedules={} if after is None else {after.name: after},
            answers=command.answers,
        )
        return [(To.PRIORITIZER, resolved)]

    def _admit_one_by_one(self, command: m.Admit, now: float) -> list[Post]:
        """Not all the commands that travel together have room: let in as many as have."""
        posts: list[Post] = []
        tasks = iter(command.tasks)
        for answer in command.answers:
            own = [next(tasks) for _ in answer.numbers]
            posts += self.handle(m.Admit(own, [answer]), now)
        return posts

    # ------------------------------------------------------------- tasks end

    def _settled(self, message: m.Settled, now: float) -> list[Post]:
        """Release or cancel what waited for these tasks."""
        handed: list[Entry] = []
        ended: list[Task] = []
        effects: dict[int, Settlement] = {}
        for task in message.tasks:
            succeeded = task.status is Status.COMPLETED
            effect = effects[task.number] = self.dependencies.graph.settle(
                task.number, succeeded=succeeded
            )
            ended.append(task)
            ended += self.dependencies.fall(effect.fallen, task, now)
            handed += self.dependencies.release(effect.released, now)
        resolved = m.Resolved(
            handed=handed,
            ended=ended,
            attempts=message.attempts,
            durations=self.dependencies.learn(message.tasks),
            answers=[_settled_answer(answer, effects) for answer in message.answers],
        )
        return [(To.PRIORITIZER, resolved)]

    def _cancel(self, command: c.Cancel, now: float) -> list[Post]:
        number = command.number
        if command.dry_run and number in self.dependencies.graph:
            fallen = ids.encode_all(self.dependencies.graph.falls_with(number))
            command.reply.answer(Cancellation(ids.encode(number), fallen, dry_run=True))
            return []
        task = self.dependencies.held.pop(number, None)
        if task is None:
            return revising.pass_on(self.dependencies, command, "be cancelled")
        cancelled = lifecycle.cancel(task, now, command.reason)
        answer = m.Cancelled(command.reply, number)
        return self._settled(m.Settled([cancelled], answers=[answer]), now)

    # ------------------------------------------------------------- questions

    def _plan(self, command: c.MakePlan, statuses: Statuses) -> list[Post]:
        numbers = command.numbers
        if numbers is not None:
            missing = tuple(
                n for n in numbers if n not in self.dependencies.graph and n not in statuses
            )
            if missing:
                return [prerequisites.look_up(missing, statuses, command)]
            for number in numbers:
                if number not in self.dependencies.graph and statuses[number] is None:
                    raise refusals.unknown_task(number)
            numbers = tuple(n for n in numbers if n in self.dependencies.graph)
        graph, weights = self.dependencies.graph, self._weights
        with no_collection():
            plan = execution_plan(graph, numbers, command.workers, weights=weights)
        command.reply.answer(plan)
        return []

    def _explain(self, command: c.Explain) -> list[Post]:
        number = command.number
        if number not in self.dependencies.graph:
            return [(To.PRIORITIZER, command)]
        blockers = self.dependencies.graph.open_prerequisites(number)
        facts = self.dependencies.graph.facts(number)
        explaining = m.Explaining(
            number, self.dependencies.held.get(number), facts, blockers, command.reply
        )
        return [(To.PRIORITIZER, explaining)]


def _settled_answer(
    answer: m.Finished | m.Cancelled, effects: Mapping[int, Settlement]
) -> m.Value | m.Finished:
    """The answer to a command that ended tasks, with what it did to others."""
    if isinstance(answer, m.Finished):
        outcomes = [_with_effect(outcome, effects) for outcome in answer.outcomes]
        return m.Finished(answer.reply, outcomes)
    fallen = ids.encode_all(effects[answer.number].fallen)
    return m.Value(answer.reply, Cancellation(ids.encode(answer.number), fallen))


def _with_effect(
    outcome: Ended | SchedulerError | c.Finish, effects: Mapping[int, Settlement]
) -> Ended | SchedulerError | c.Finish:
    if not isinstance(outcome, Ended) or outcome.task.number not in effects:
        return outcome
    effect = effects[outcome.task.number]
    if not effect.released and not effect.fallen:
        return outcome
    return Ended(outcome.task, ids.encode_all(effect.released), ids.encode_all(effect.fallen))


def _by_place(error: SchedulerError, numbers: Sequence[int]) -> SchedulerError:
    """A cycle in a batch, told by places in the batch: its ids were never given out."""
    if not isinstance(error, DependencyCycle):
        return error
    places = {ids.encode(number): f"specs[{place}]" for place, number in enumerate(numbers)}
    path = [places.get(step, step) for step in error.path]
    return DependencyCycle(
        "the tasks of the batch wait for each other in a circle: " + " -> ".join(path),
        path=path,
        field="prerequisites",
        allowed="prerequisites without a circle",
        hint="Take one of these edges out.",
    )
