"""The door: makes tasks of what clients ask for, and sends every command on its way.

Holds the id maker, the idempotency keys that are between here and the record, and the schedules
of recurring work (`recurring`). Hears from clients and, about keys and schedules, from the
persister and the resolver; speaks to all other actors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from actors import commands as c
from actors import messages as m
from actors.messages import Post, To
from actors.recurring import Recurring
from scheduler.domain.admission import make_task, request_hash
from scheduler.domain.errors import KeyConflict
from scheduler.domain.ids import IdMaker
from scheduler.domain.request import Request
from scheduler.domain.task import Task

ROUTES: Mapping[type, To] = {  # of what ingest only passes on; `_decide` knows the rest
    **dict.fromkeys((c.Retry, c.Explain, c.Flush, m.Again), To.RESOLVER),
    **dict.fromkeys(
        (
            c.ClaimReady,
            c.Heartbeat,
            c.Complete,
            c.Fail,
            c.Release,
            c.ReleaseHolders,
            c.AwaitRevoked,
            c.Cancel,
            c.Update,
            c.AddPrerequisites,
            c.SetPaused,
            c.Drain,
            c.SetLimit,
            c.GetLimits,
            c.WhyIdle,
        ),
        To.PRIORITIZER,
    ),
}
FREE_AT_ONCE = 1_000  # tasks of several commands that travel in one message


class Ingest:
    """See the module. `random_bits(n)` returns n random bits, for ids."""

    def __init__(self, random_bits: Callable[[int], int]) -> None:
        self.ids = IdMaker(random_bits)
        self.recurring = Recurring(self.ids)
        self._free: list[c.Enqueue] = []  # of this drain: they lack only room, if anything
        self._free_tasks = 0
        self._parked: dict[str, list[c.Enqueue]] = {}  # by each key in flight

    def due(self) -> float:
        return self.recurring.due()

    def after(self, now: float) -> list[Post]:
        """Send on the tasks of this drain, and make those whose moment has come."""
        return self._take_free(now) + self.recurring.fire(now)

    def _take_free(self, now: float) -> list[Post]:
        """Make the tasks of this drain that need no check, all together."""
        if not self._free:
            return []
        free, self._free, self._free_tasks = self._free, [], 0
        requests = [request for command in free for request in command.requests]
        numbers = self.ids.take(len(requests), now)
        made = [make_task(*pair, (), None, now) for pair in zip(requests, numbers, strict=True)]
        answers: list[m.TasksMade] = []
        end = 0
        for command in free:
            start, end = end, end + len(command.requests)
            answers.append(m.TasksMade(command.reply, numbers[start:end]))
        return [(To.RESOLVER, m.Admit(made, answers))]

    def handle(self, message: m.IngestMessage, now: float) -> list[Post]:
        if isinstance(message, c.Enqueue):
            return self._enqueue(message, now)
        to = ROUTES.get(type(message))
        if to is None:
            return self._take_free(now) + self._decide(message, now)
        passed_on: Post = (to, message)  # type: ignore[assignment] # ROUTES knows who takes it
        return [*self._take_free(now), passed_on]

    def _decide(self, message: m.IngestMessage, now: float) -> list[Post]:
        match message:
            case m.KeysFound():
                return self._keys_found(message, now)
            case m.KeysSettled(keys):
                return self._keys_settled(keys, now)
            case m.SchedulesSaved(schedules):
                self.recurring.saved(schedules)
                return []
            case m.FiringRefused(firing):
                return self.recurring.refused(firing, now)
            case c.Every():
                return self.recurring.every(message, now)
            case c.StopSchedule():
                return self.recurring.stop(message)
            case c.GetSchedules():
                return self.recurring.tell(message)
            case c.MakePlan(group=str()):
                return [(To.PERSISTER, m.FindGroup(message))]
            case c.MakePlan():
                return [(To.RESOLVER, message)]
            case _:
                return [(To.PERSISTER, message)]  # type: ignore[list-item] # as above

    # ---------------------------------------------------------------- enqueue

    def _enqueue(self, command: c.Enqueue, now: float) -> list[Post]:
        requests = command.requests
        if all([r.key is None and not r.linked for r in requests]):  # noqa: C419 - faster for one
            self._free.append(command)
            self._free_tasks += len(requests)
            return self._take_free(now) if self._free_tasks >= FREE_AT_ONCE else []
        if keys := _keys(requests):
            return self._look_for(keys, command)
        posts = self._take_free(now)
        numbers = self.ids.take(len(requests), now)
        made = [
            make_task(request, number, numbers, None, now)
            for request, number in zip(requests, numbers, strict=True)
        ]
        admit = m.Admit(made, [m.TasksMade(command.reply, numbers)])
        return [*posts, (To.RESOLVER, admit)]

    # ------------------------------------------------------------- with keys

    def _look_for(self, keys: tuple[str, ...], command: c.Enqueue) -> list[Post]:
        """Ask for what was made with these keys, unless they are being used just now."""
        for key in keys:
            if key in self._parked:
                self._parked[key].append(command)
                return []
        self._parked |= {key: [] for key in keys}
        return [(To.PERSISTER, m.FindKeys(keys, command))]

    def _keys_found(self, message: m.KeysFound, now: float) -> list[Post]:
        command = message.enqueue
        try:
            return self._admit_new(command, message.found, now)
        except KeyConflict as error:
            command.reply.refuse(error)
            return self._keys_settled(_keys(command.requests), now)

    def _keys_settled(self, keys: Sequence[str], now: float) -> list[Post]:
        waiting = [command for key in keys for command in self._parked.pop(key, ())]
        return [post for command in waiting for post in self._enqueue(command, now)]

    def _admit_new(self, command: c.Enqueue, found: Mapping[str, Task], now: float) -> list[Post]:
        """Make those tasks that were not made before."""
        posts = self._take_free(now)
        requests = command.requests
        fresh = self.ids.take(len(requests), now)
        numbers = [_known(*pair, found) for pair in zip(requests, fresh, strict=True)]
        made: list[Task] = []
        existing: dict[int, Task] = {}
        for request, number in zip(requests, numbers, strict=True):
            hashed = None if request.key is None else request_hash(request, numbers)
            task = make_task(request, number, numbers, hashed, now)
            known = None if request.key is None else found.get(request.key)
            if known is None:
                made.append(task)
            else:
                existing[number] = _same(known, task)
        answer = m.TasksMade(command.reply, numbers, existing)
        return [*posts, (To.RESOLVER, m.Admit(made, [answer], _keys(requests)))]


def _known(request: Request, number: int, found: Mapping[str, Task]) -> int:
    """The number of the task that was made for this request before, else the new one."""
    task = None if request.key is None else found.get(request.key)
    return number if task is None else task.number


def _keys(requests: Sequence[Request]) -> tuple[str, ...]:
    return tuple([request.key for request in requests if request.key is not None])


def _same(existing: Task, asked: Task) -> Task:
    if existing.request_hash == asked.request_hash:
        return existing
    raise KeyConflict(
        "this key was used for a different request",
        field="key",
        received=asked.key,
        allowed=f"the same request as that of task {existing.id}, or a new key",
        hint=f"Look at task {existing.id}; use another key for another task.",
    )
