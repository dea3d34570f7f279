"""From a proved request to a task, and to the hash that knows the same request again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from scheduler.domain.durations import UNKNOWN
from scheduler.domain.request import Edges, Request
from scheduler.domain.task import Status, Task


def make_task(
    request: Request, number: int, numbers: Sequence[int], request_hash: str | None, now: float
) -> Task:
    """A task as of its first revision; `numbers` are those of its batch, by place.

    Its status supposes that every prerequisite is open. An estimate that was not given is
    UNKNOWN until the resolver fills in what it has learned.
    """
    estimate = request.estimated_duration
    requires = _resolve(request.requires, numbers)
    follows = _resolve(request.follows, numbers)
    if follows and requires:
        stricter = set(requires)
        follows = tuple(number for number in follows if number not in stricter)
    waits = bool(requires or follows)
    later = request.not_before_s is not None and request.not_before_s > now
    status = Status.BLOCKED if waits else Status.SCHEDULED if later else Status.READY
    return Task(
        number,
        request.description,
        request.summary,
        request.source,
        request.agent_type,
        request.base_priority,
        request.deadline_s,
        UNKNOWN if estimate is None else estimate,
        request.payload_json,
        request.key,
        request_hash,
        request.group,
        request.parent,
        request.max_attempts,
        request.timeout,
        request.limit_key,
        request.traceparent,
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
    if len(edges.places) == 1 and not edges.numbers:
        return (numbers[edges.places[0]],)
    return tuple(dict.fromkeys(edges.numbers + tuple(numbers[place] for place in edges.places)))


def request_hash(request: Request, numbers: Sequence[int]) -> str:
    """The same for two requests exactly when they ask for the same task."""
    canonical = [
        request.description,
        request.summary,
        request.source,
        request.agent_type,
        request.base_priority,
        sorted(_resolve(request.requires, numbers)),
        sorted(_resolve(request.follows, numbers)),
        request.deadline_s,
        request.not_before_s,
        request.estimated_duration,
        request.payload_json and json.loads(request.payload_json),
        request.group,
        request.parent,
        request.max_attempts,
        request.timeout,
    ]
    if request.limit_key is not None:  # younger than hashes on record
        canonical.append(request.limit_key)
    text = json.dumps(canonical, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
