"""The dependency resolver: knows who waits for whom, and holds what waits.

Holds the graph of all unfinished tasks, the BLOCKED tasks themselves, and the durations
learned of each agent_type. Hears from ingest and the prioritizer; speaks to the prioritizer,
through which everything it changes goes on to the persister.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import assert_never

from msgspec.structs import replace

from actors import commands as c
from actors import messages as m
from actors import prerequisites, refusals, reopening, revising
from actors.messages import Entry, Post, Statuses, To
from scheduler.domain import ids, lifecycle
from scheduler.domain.durations import UNKNOWN, Duration, Durations
from scheduler.domain.errors import (
    DependencyCycle,
    Overloaded,
    SchedulerError,
)
from scheduler.domain.graph import Graph, Settlement
from scheduler.domain.plan import execution_plan
from scheduler.domain.priority import SOURCE_SCORES, Weights
from scheduler.domain.task import Status, Task
from scheduler.domain.views import Cancellation, Ended, encode_all


class Resolver:
    """See the module. `max_unfinished` bounds what the graph may hold."""

    def __init__(
        self,
        weights: Weights | None = None,
        sources: Mapping[str, float] = SOURCE_SCORES,
        max_unfinished: int = 1_000_000,
    ) -> None:
        self.graph = Graph(source_scores=sources)
        self.held: dict[int, Task] = {}
        self.durations = Durations()
        self._weights = weights or Weights()
        self._max_unfinished = max_unfinished
        self._sweeping = False

    def due(self) -> float:
        return 0.0 if self._sweeping else float("inf")

    def after(self, now: float) -> list[Post]:
        """Go on with the facts that are not yet at rest, and report those that moved."""
        self._sweeping = self.graph.sweep()
        changed = [
            (number, self.graph.facts(number))
            for number in self.graph.take_changed()
            if number not in self.held
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
            case c.Cancel():
                return self._cancel(message, now)
            case c.Update():
                return revising.update(self, message, now)
            case c.AddPrerequisites():
                return revising.add_prerequisites(self, message, {}, now)
            case m.Revised(task):
                if task.number in self.graph:
                    self.graph.revise(task)
                return []
            case c.Retry():
                return reopening.retry(self, message)
            case m.FallenFound():
                return reopening.reopen(self, message, now)
            case c.MakePlan():
                return self._plan(message, {})
            case c.Explain():
                return self._explain(message)
            case m.Recover():
                return reopening.recover(self, message, now)
            case c.Flush():
                return [(To.PRIORITIZER, message)]
            case _:
                assert_never(message)

    def _looked_up(self, message: m.LookedUp, now: float) -> list[Post]:
        """Handle a command anew, now that the facts it lacked are there."""
        match message.command:
            case m.Admit() as command:
                return self._admit(command, message.statuses, now)
            case c.AddPrerequisites() as command:
                return revising.add_prerequisites(self, command, message.statuses, now)
            case c.MakePlan() as command:
                return self._plan(command, message.statuses)

    def _refuse(self, message: m.ResolverMessage, error: SchedulerError) -> list[Post]:
        """A client's mistake: say so, and give back what the command had taken along."""
        match message.command if isinstance(message, m.LookedUp) else message:
            case m.Admit(answers=answers, keys=keys):
                for answer in answers:
                    answer.reply.refuse(_by_place(error, answer.numbers))
                return [(To.INGEST, m.KeysSettled(keys))] if keys else []
            case c.AddPrerequisites(number=number, reply=reply):
                reply.refuse(error)
                return revising.give_back(self, number)
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
        missing = prerequisites.unknown(tasks, self.graph, statuses)
        if missing:
            return [prerequisites.look_up(missing, statuses, command)]
        for task in tasks if statuses else ():
            prerequisites.check(task, self.graph, statuses)
        self.check_room(len(tasks))
        tasks = [self._estimated(task) for task in tasks]
        self.graph.admit(tasks)
        handed, kept = self.place(tasks, now, lifecycle.open_new)
        resolved = m.Resolved(
            handed=handed, kept=kept, nature="new", keys=command.keys, answers=command.answers
        )
        return [(To.PRIORITIZER, resolved)]

    def _estimated(self, task: Task) -> Task:
        if task.estimated_duration != UNKNOWN:
            return task
        return replace(task, estimated_duration=self.durations.estimate(task.agent_type))

    def check_room(self, more: int) -> None:
        """Refuse to let the graph grow over its bound."""
        if len(self.graph) + more > self._max_unfinished:
            raise Overloaded(
                f"{len(self.graph):,} tasks are unfinished",
                retry_after=60.0,
                allowed=f"up to {self._max_unfinished:,} unfinished tasks",
                hint="Let workers finish some, or cancel what is no longer wanted.",
            )

    def place(
        self, tasks: Iterable[Task], now: float, opened: lifecycle.Opening
    ) -> tuple[list[Entry], list[Entry]]:
        """Hand over the tasks of the graph whose prerequisites are met; keep the others."""
        handed: list[Entry] = []
        kept: list[Entry] = []
        graph = self.graph
        for task in tasks:
            number = task.number
            facts = graph.facts(number)
            if task.status is not Status.BLOCKED:
                handed.append(Entry(task, facts))
            elif graph.open_prerequisites(number):
                held = replace(task, dependency_depth=graph.depth(number))
                self.held[number] = held
                kept.append(Entry(held, facts))
            else:
                handed.append(Entry(opened(task, now), facts))
        return handed, kept

    # ------------------------------------------------------------- tasks end

    def _settled(self, message: m.Settled, now: float) -> list[Post]:
        """Release or cancel what waited for these tasks."""
        handed: list[Entry] = []
        ended: list[Task] = []
        effects: dict[int, Settlement] = {}
        for task in message.tasks:
            succeeded = task.status is Status.COMPLETED
            effect = effects[task.number] = self.graph.settle(task.number, succeeded=succeeded)
            ended.append(task)
            ended += self.fall(effect.fallen, task, now)
            handed += self.release(effect.released, now)
        resolved = m.Resolved(
            handed=handed,
            ended=ended,
            attempts=message.attempts,
            durations=self._learned(message.tasks),
            answers=_settled_answers(message.answer, effects),
        )
        return [(To.PRIORITIZER, resolved)]

    def release(self, numbers: Iterable[int], now: float) -> list[Entry]:
        """Hand over held tasks whose last prerequisite has ended."""
        return [
            Entry(lifecycle.open_at(self.held.pop(number), now), self.graph.facts(number))
            for number in numbers
        ]

    def fall(self, numbers: Iterable[int], root: Task, now: float) -> list[Task]:
        """Cancel held tasks that cannot start any more because of `root`."""
        reason = f"prerequisite {root.id} {root.status}"
        return [
            lifecycle.cancel(self.held.pop(number), now, reason, root.number) for number in numbers
        ]

    def _learned(self, tasks: Iterable[Task]) -> dict[str, Duration]:
        learned: dict[str, Duration] = {}
        for task in tasks:
            if task.status is Status.COMPLETED and task.started_s is not None:
                assert task.finished_s is not None
                seconds = task.finished_s - task.started_s
                learned[task.agent_type] = self.durations.learn(task.agent_type, seconds)
        return learned

    def _cancel(self, command: c.Cancel, now: float) -> list[Post]:
        number = command.number
        if command.dry_run and number in self.graph:
            fallen = encode_all(self.graph.falls_with(number))
            command.reply.answer(Cancellation(ids.encode(number), fallen, dry_run=True))
            return []
        task = self.held.pop(number, None)
        if task is None:
            return revising.pass_on(self, command, "be cancelled")
        cancelled = lifecycle.cancel(task, now, command.reason)
        answer = m.Cancelled(command.reply, number)
        return self._settled(m.Settled([cancelled], answer=answer), now)

    # ------------------------------------------------------------- questions

    def _plan(self, command: c.MakePlan, statuses: Statuses) -> list[Post]:
        numbers = command.numbers
        if numbers is not None:
            missing = tuple(n for n in numbers if n not in self.graph and n not in statuses)
            if missing:
                return [prerequisites.look_up(missing, statuses, command)]
            for number in numbers:
                if number not in self.graph and statuses[number] is None:
                    raise refusals.unknown_task(number)
            numbers = tuple(n for n in numbers if n in self.graph)
        command.reply.answer(
            execution_plan(self.graph, numbers, command.workers, weights=self._weights)
        )
        return []

    def _explain(self, command: c.Explain) -> list[Post]:
        number = command.number
        if number not in self.graph:
            return [(To.PRIORITIZER, command)]
        blockers = self.graph.open_prerequisites(number)
        facts = self.graph.facts(number)
        explaining = m.Explaining(number, self.held.get(number), facts, blockers, command.reply)
        return [(To.PRIORITIZER, explaining)]


def _settled_answers(
    answer: m.Finished | m.Cancelled | None, effects: Mapping[int, Settlement]
) -> list[m.Value | m.Finished]:
    """The answer to the command that ended tasks, with what it did to others."""
    match answer:
        case None:
            return []
        case m.Cancelled(reply, number):
            fallen = encode_all(effects[number].fallen)
            return [m.Value(reply, Cancellation(ids.encode(number), fallen))]
        case m.Finished(reply, outcomes):
            return [m.Finished(reply, [_with_effect(outcome, effects) for outcome in outcomes])]


def _with_effect(
    outcome: Ended | SchedulerError | c.Finish, effects: Mapping[int, Settlement]
) -> Ended | SchedulerError | c.Finish:
    if not isinstance(outcome, Ended) or outcome.task.number not in effects:
        return outcome
    effect = effects[outcome.task.number]
    return Ended(outcome.task, encode_all(effect.released), encode_all(effect.fallen))


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
