"""The door: proves what clients ask for, makes tasks of specs, and sends commands on their way.

Holds the id maker and the idempotency keys that are between here and the record. Hears from
clients and, about keys, from the persister and the resolver; speaks to all other actors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

from actors import messages as m
from actors.messages import Post, To
from scheduler.domain.errors import InvalidTask, KeyConflict, SchedulerError
from scheduler.domain.ids import IdMaker
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.spec import Edges, Request, checked_all
from scheduler.domain.task import Status, Task

LEARN = -1.0  # the estimate of a task whose duration the resolver is to fill in


class Ingest:
    """See the module. `random_bits(n)` returns n random bits, for ids."""

    def __init__(
        self,
        random_bits: Callable[[int], int],
        sources: Mapping[str, float] = SOURCE_SCORES,
    ) -> None:
        self.ids = IdMaker(random_bits)
        self._sources = sources
        self._parked: dict[str, list[m.Enqueue]] = {}  # by each key in flight

    def due(self) -> float:
        return float("inf")

    def after(self, now: float) -> list[Post]:
        return []

    def handle(self, message: m.IngestMessage, now: float) -> list[Post]:
        match message:
            case m.Enqueue():
                return self._enqueue(message, now)
            case m.KeysFound():
                return self._keys_found(message, now)
            case m.KeysSettled(keys):
                return self._keys_settled(keys, now)
            case m.MakePlan(group=str()):
                return [(To.PERSISTER, m.FindGroup(message))]
            case m.Retry() | m.MakePlan() | m.Explain() | m.Flush():
                return [(To.RESOLVER, message)]
            case (
                m.ClaimReady()
                | m.Heartbeat()
                | m.Complete()
                | m.Fail()
                | m.Release()
                | m.ReleaseHolders()
                | m.Cancel()
                | m.Update()
                | m.AddPrerequisites()
                | m.SetPaused()
            ):
                return [(To.PRIORITIZER, message)]
            case _:
                return [(To.PERSISTER, message)]

    # ---------------------------------------------------------------- enqueue

    def _enqueue(self, command: m.Enqueue, now: float) -> list[Post]:
        try:
            requests = checked_all(command.specs, self._sources)
            keys = _keys(command)
        except SchedulerError as error:
            command.reply.refuse(error)
            return []
        if not keys:
            return self._admit(command, requests, {}, now)
        for key in keys:
            if key in self._parked:
                self._parked[key].append(command)
                return []
        self._parked |= {key: [] for key in keys}
        return [(To.PERSISTER, m.FindKeys(keys, command, requests))]

    def _keys_found(self, message: m.KeysFound, now: float) -> list[Post]:
        command, requests = message.enqueue, message.requests
        try:
            return self._admit(command, requests, message.found, now)
        except SchedulerError as error:
            command.reply.refuse(error)
            return self._keys_settled(_keys(command), now)

    def _keys_settled(self, keys: Sequence[str], now: float) -> list[Post]:
        waiting = [command for key in keys for command in self._parked.pop(key, ())]
        return [post for command in waiting for post in self._enqueue(command, now)]

    def _admit(
        self,
        command: m.Enqueue,
        requests: Sequence[Request],
        found: Mapping[str, Task],
        now: float,
    ) -> list[Post]:
        numbers = [self._number(request, found, now) for request in requests]
        made: list[Task] = []
        existing: dict[int, Task] = {}
        keys: tuple[str, ...] = ()
        for request, number in zip(requests, numbers, strict=True):
            key = request.spec.key
            if key is None:
                made.append(_task(request, number, numbers, None, now))
                continue
            keys += (key,)
            task = _task(request, number, numbers, _request_hash(request, numbers), now)
            if key in found:
                existing[number] = _same(found[key], task)
            else:
                made.append(task)
        answer = m.TasksMade(command.reply, tuple(numbers), existing)
        return [(To.RESOLVER, m.Admit(made, answer, keys))]

    def _number(self, request: Request, found: Mapping[str, Task], now: float) -> int:
        known = found.get(request.spec.key) if request.spec.key is not None else None
        return self.ids.next(now) if known is None else known.number


def _keys(command: m.Enqueue) -> tuple[str, ...]:
    keys = [spec.key for spec in command.specs if spec.key is not None]
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InvalidTask(
            "two tasks of the batch have the same key",
            field="key",
            received=twice[:80],
            allowed="a key of its own for each task",
            hint="Leave out one of the two, or change its key.",
        )
    return tuple(keys)


def _task(
    request: Request, number: int, numbers: Sequence[int], request_hash: str | None, now: float
) -> Task:
    spec = request.spec
    estimate = spec.estimated_duration
    requires = _resolve(request.requires, numbers)
    follows = _resolve(request.follows, numbers)
    if follows and requires:
        follows = tuple(number for number in follows if number not in requires)
    waits = bool(requires or follows)
    later = request.not_before_s is not None and request.not_before_s > now
    status = Status.BLOCKED if waits else Status.SCHEDULED if later else Status.READY
    return Task(
        number,
        spec.description,
        request.summary,
        spec.source,
        spec.agent_type,
        spec.base_priority,
        request.deadline_s,
        LEARN if estimate is None else float(estimate),
        request.payload_json,
        spec.key,
        request_hash,
        spec.group,
        request.parent,
        spec.max_attempts,
        spec.timeout,
        now,
        status=status,
        ready_s=now if status is Status.READY else None,
        not_before_s=request.not_before_s,
        requires=requires,
        follows=follows,
    )


def _resolve(edges: Edges, numbers: Sequence[int]) -> tuple[int, ...]:
    if not edges.places:
        return edges.numbers
    return tuple(dict.fromkeys(edges.numbers + tuple(numbers[place] for place in edges.places)))


def _request_hash(request: Request, numbers: Sequence[int]) -> str:
    """The same for two requests exactly when they ask for the same task."""
    spec = request.spec
    canonical = [
        spec.description,
        spec.summary,
        spec.source,
        spec.agent_type,
        spec.base_priority,
        sorted(_resolve(request.requires, numbers)),
        sorted(_resolve(request.follows, numbers)),
        request.deadline_s,
        request.not_before_s,
        spec.estimated_duration,
        spec.payload,
        spec.group,
        request.parent,
        spec.max_attempts,
        spec.timeout,
    ]
    text = json.dumps(canonical, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


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
