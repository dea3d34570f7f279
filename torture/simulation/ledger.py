"""The checker: remembers what clients were told, and compares it with what they are told later.

It knows no line of the scheduler's logic. A call may have taken effect at any moment between its
sending and its answer, so an answer is compared with what was heard before the call was sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from math import inf

from scheduler.domain.errors import SchedulerError, UnknownTask
from scheduler.domain.task import Status, Task
from torture.simulation.broken import Broken
from torture.simulation.facts import Known, Op, Wish, told
from torture.simulation.holds import Holds

EVERY = "every "  # how descriptions of recurring tasks begin: nobody asked for each of them


class Ledger:
    """See the module. `now` is virtual seconds; `retention` is that of the scheduler.

    `lagging`: answers may show tasks as they were before what was acknowledged is saved.
    """

    def __init__(
        self, now: Callable[[], float], retention: float = inf, *, lagging: bool = False
    ) -> None:
        self.now = now
        self.tick = 0
        self.known: dict[int, Known] = {}
        self.wishes: dict[str, Wish] = {}
        self.keys: dict[str, int] = {}
        self.holds = Holds(self)
        self.reopening = 0  # retries of which nobody knows (yet) what they re-opened
        self.lanes: dict[str, bool] = {}
        self.lane_doubts: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.rewound = 0  # how often the file went back to an earlier moment, as it may
        self.rewound_at = 0  # the tick of the last time
        self._retention = retention
        self._lagging = lagging

    # ------------------------------------------------------------- calls

    def begin(self) -> Op:
        """A call is about to be sent."""
        self.tick += 1
        return Op(self.tick, self.now())

    def heard(self) -> int:
        """Something was heard; returns its tick."""
        self.tick += 1
        return self.tick

    def refused(self, op: Op, error: SchedulerError) -> None:
        """The call was refused and has changed nothing."""
        if isinstance(error, UnknownTask):
            for number in op.targets:
                known = self.known.get(number)
                named = known is not None and known.task.id == error.received
                if known is not None and named and not self.prunable(known):
                    raise Broken("P1", f"{name(known)} is unknown, and was there: {error}")
        for wish in op.wishes:
            wish.refused = True
            wish.pending -= 1
        for hold in op.holds:
            hold.doubts -= 1
        for known in op.completing:
            known.completing -= 1
        self._end_meddling(op)
        self.reopening -= op.reopens
        if op.lane is not None:
            self.lane_doubts[op.lane] -= 1

    def unknown(self, op: Op) -> None:
        """Nobody knows whether the call has changed anything; what it put in doubt stays so."""
        self.counts["unknown"] += 1
        for wish in op.wishes:
            wish.unknown = True
            wish.pending -= 1

    def done(self, op: Op) -> None:
        """The call was answered; what it changed has been told."""
        self.counts["acknowledged"] += 1
        for wish in op.wishes:
            wish.pending -= 1
        self.reopening -= op.reopens
        self._end_meddling(op)

    def _end_meddling(self, op: Op) -> None:
        tick = self.heard()
        for known in op.meddling:
            known.meddling -= 1
            known.meddled = tick
        if op.sweeping is not None:
            self.holds.swept(op.sweeping, tick)

    def complete(self, op: Op, number: int) -> None:
        """The call may complete this task."""
        known = self.known.get(number)
        if known is not None:
            known.completing += 1
            op.completing.append(known)

    def settle(self, op: Op, number: int, *, changed: bool) -> None:
        """One of the completions in a call was answered."""
        for known in [known for known in op.completing if known.number == number]:
            op.completing.remove(known)
            known.completing -= not changed

    # ------------------------------------------------------------- tasks

    def wish(self, op: Op, names: Iterable[str], keys: Iterable[str | None]) -> None:
        """A client asks for these tasks, all or none."""
        together = tuple(names)
        for name, key in zip(together, keys, strict=True):
            wish = self.wishes.get(name)
            if wish is None:
                wish = self.wishes[name] = Wish(name, key, together)
            wish.refused = False
            wish.pending += 1
            op.wishes.append(wish)

    def made(self, task: Task, op: Op) -> None:
        """The call made this task, or found that an earlier one had."""
        new = task.number not in self.known
        known = self.saw(task, op)
        if new and not task.existing and not self.outdated(op):
            known.sent = op.tick

    def saw(self, task: Task, op: Op) -> Known:
        """A task stands in an answer to `op`: it must be no older than what was heard before."""
        known = self.known.get(task.number)
        if self.outdated(op):
            return known or self._new(task)
        if known is None:
            self._match(task.number, task.description, task.key)
            known = self.known[task.number] = self._new(task)
        self._compare(known, task, op)
        return known

    def outdated(self, op: Op) -> bool:
        """Whether the answer may be of before the file went back."""
        return op.tick < self.rewound_at

    def _new(self, task: Task) -> Known:
        return Known(
            task.number,
            task,
            set(task.requires),
            set(task.follows),
            task.revision,
            told(task),
            self.heard(),
            -inf if task.status.finished or self.holds.troubled else self.now(),
        )

    def rewind(self) -> None:
        """The file went back to an earlier moment, as it may: much is uncertain."""
        self.rewound += 1
        self.rewound_at = self.heard()
        self.holds.void_all()
        for lane in self.lanes:
            self.lane_doubts[lane] += 1
        for known in self.known.values():
            known.requires.clear()
            known.follows.clear()
            known.retried = True
            known.hold = None

    def _match(self, number: int, name: str, key: str | None) -> None:
        wish = self.wishes.get(name)
        if wish is None:
            if name.startswith(EVERY):
                return
            raise Broken("P2", f"nobody asked for {number} ({name})")
        if wish.number not in (None, number) and not self.gone(wish.number):
            raise Broken("P2", f"{name} was made twice: {wish.number} and {number}")
        wish.number = number
        if key is not None:
            before = self.keys.setdefault(key, number)
            if before != number and not self.gone(before):
                raise Broken("P2", f"key {key} stands for {before} and {number}")
            self.keys[key] = number

    def _compare(self, known: Known, task: Task, op: Op) -> None:
        if task.revision < known.revision:
            if known.heard < op.tick and not self._lagging:
                raise Broken("P1", f"{name(known)} went back: {known.revision}, {_show(task)}")
            return
        if not known.requires <= set(task.requires):
            raise Broken("P5", f"{name(known)} lost prerequisites: {known.requires}, {task}")
        if task.revision == known.revision:
            if known.facts not in (None, told(task)):
                raise Broken("P1", f"{name(known)} differs: {known.facts}, {_show(task)}")
        else:
            if known.completed:
                raise Broken("P1", f"{name(known)} had completed: {_show(task)}")
            known.heard = self.heard()
        known.revision, known.facts, known.task = task.revision, told(task), task
        known.requires |= set(task.requires)
        known.follows |= set(task.follows)
        known.completed = known.completed or task.status is Status.COMPLETED
        if not task.status.finished and not self.holds.troubled:
            known.at = self.now()  # while the disk fails, it may have ended since

    def moved(self, numbers: Iterable[int], op: Op) -> None:
        """These have changed with the call, nobody said to what."""
        for number in numbers:
            known = self.known.get(number)
            if known is not None and known.heard < op.tick and not self.outdated(op):
                known.revision += 1
                known.facts = None
                known.heard = self.heard()

    # ------------------------------------------------------------- what may be gone

    def prunable(self, known: Known) -> bool:
        """Whether the task may have been forgotten on purpose."""
        age = self.now() - known.at + self.holds.forward
        return self._retention < inf and age >= self._retention

    @property
    def forgets(self) -> bool:
        """Whether finished tasks are forgotten after a time."""
        return self._retention < inf

    def gone(self, number: int | None) -> bool:
        """Whether a task of this number may have been forgotten, or was lost and forgiven."""
        known = None if number is None else self.known.get(number)
        return known is None or self.prunable(known)


def name(known: Known) -> str:
    """How a task is named in a violation."""
    return f"{known.number} ({known.task.description})"


def _show(task: Task) -> str:
    return f"revision {task.revision} {told(task)}"
