"""From specs to proved requests: the limits of every field, and the check of each.

`checked` turns a spec into a `Request`: every value proved, payloads encoded, prerequisites
as numbers or as places in the same batch. Nothing after it checks a field again. It runs in the
caller's own task, since what a caller passes can run code of its own: a list that raises while
it is read must not reach an actor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from scheduler.domain import ids
from scheduler.domain.encoding import encode_json, name, number_in, text
from scheduler.domain.errors import InvalidTask, TooLarge
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.domain.spec import TaskSpec
from scheduler.domain.task import EARLIEST, LATEST, Task

DESCRIPTION_BYTES = 64 * 1024
SUMMARY_LENGTH = 140
PREREQUISITES = 1_000  # a task
BATCH_TASKS = 10_000
BATCH_EDGES = 100_000
TRACEPARENT = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
TEN_YEARS = 10 * 365.25 * 86_400.0  # seconds


class Edges(msgspec.Struct, frozen=True, gc=False):
    """Prerequisites after the check: numbers of known ids, and places in the batch."""

    numbers: tuple[int, ...] = ()
    places: tuple[int, ...] = ()


NO_EDGES = Edges()


class Request(msgspec.Struct, frozen=True, gc=False):
    """A spec after the check: values in the form in which a Task holds them."""

    description: str
    summary: str
    source: str
    agent_type: str
    base_priority: int
    requires: Edges
    follows: Edges
    deadline_s: float | None
    not_before_s: float | None
    estimated_duration: float | None
    payload_json: str | None
    key: str | None
    group: str | None
    parent: int | None
    max_attempts: int
    timeout: float | None
    limit_key: str | None
    traceparent: str | None

    @property
    def linked(self) -> bool:
        """Whether it names other tasks, which may not exist or not be able to succeed."""
        return self.requires != NO_EDGES or self.follows != NO_EDGES or self.parent is not None


def checked_all(specs: Sequence[TaskSpec], sources: Mapping[str, float]) -> list[Request]:
    """The whole batch, every spec proved; raises the first InvalidRequest met."""
    if len(specs) == 1:
        return [checked(specs[0], {id(specs[0]): 0}, sources)]
    if len(specs) > BATCH_TASKS:
        raise TooLarge(
            f"a batch of {len(specs):,} tasks",
            field="specs",
            received=len(specs),
            allowed=f"up to {BATCH_TASKS:,} tasks",
            hint="Enqueue it in several batches, prerequisites first.",
        )
    places = {id(spec): place for place, spec in enumerate(specs)}
    if len(places) < len(specs):
        raise InvalidTask(
            "the same TaskSpec object stands in the batch twice",
            field="specs",
            received=next(place for place, spec in enumerate(specs) if places[id(spec)] != place),
            allowed="each object once",
            hint="Make a second TaskSpec to get a second task.",
        )
    requests = [checked(spec, places, sources) for spec in specs]
    _check_keys(requests)
    _check_edges(requests)
    return requests


def _check_keys(requests: Sequence[Request]) -> None:
    keys = [request.key for request in requests if request.key is not None]
    if len(set(keys)) == len(keys):
        return
    twice = next(key for key in keys if keys.count(key) > 1)
    raise InvalidTask(
        "two tasks of the batch have the same key",
        field="key",
        received=twice[:80],
        allowed="a key of its own for each task",
        hint="Leave out one of the two, or change its key.",
    )


def _check_edges(requests: Sequence[Request]) -> None:
    edges = 0
    for request in requests:
        for side in (request.requires, request.follows):
            if side is not NO_EDGES:
                edges += len(side.numbers) + len(side.places)
    if edges > BATCH_EDGES:
        raise TooLarge(
            f"a batch with {edges:,} edges",
            field="prerequisites",
            received=edges,
            allowed=f"up to {BATCH_EDGES:,} edges a batch",
            hint="Enqueue it in several batches, prerequisites first.",
        )


def checked(
    spec: TaskSpec,
    places: Mapping[int, int] | None = None,
    sources: Mapping[str, float] = SOURCE_SCORES,
) -> Request:
    """One spec, proved field by field; `places` are the specs of its batch by identity."""
    if not isinstance(spec, TaskSpec):
        raise _no_spec(spec)
    text("description", spec.description, DESCRIPTION_BYTES)
    _check_source(spec.source, sources)
    name("agent_type", spec.agent_type)
    number_in("base_priority", spec.base_priority, 0, 10, whole=True)
    number_in("max_attempts", spec.max_attempts, 1, 1_000, whole=True)
    if spec.key is not None:
        name("key", spec.key)
    if spec.group is not None:
        name("group", spec.group)
    if spec.limit_key is not None:
        name("limit_key", spec.limit_key)
    if spec.traceparent is not None:
        _check_traceparent(spec.traceparent)
    places = {} if places is None else places
    estimate, timeout = spec.estimated_duration, spec.timeout
    return Request(
        spec.description,
        _summary(spec),
        spec.source,
        spec.agent_type,
        spec.base_priority,
        references("prerequisites", spec.prerequisites, spec, places),
        references("run_after", spec.run_after, spec, places),
        None if spec.deadline is None else seconds("deadline", spec.deadline),
        None if spec.not_before is None else seconds("not_before", spec.not_before),
        None if estimate is None else _duration("estimated_duration", estimate, 0.0),
        None if spec.payload is None else encode_json("payload", spec.payload),
        spec.key,
        spec.group,
        None if spec.parent_id is None else number_of(spec.parent_id, "parent_id"),
        spec.max_attempts,
        None if timeout is None else _duration("timeout", timeout, 0.001),
        spec.limit_key,
        spec.traceparent,
    )


def _no_spec(given: object) -> InvalidTask:
    return InvalidTask(
        "a batch holds TaskSpecs",
        field="specs",
        received=type(given).__name__,
        allowed="TaskSpec",
        hint="Wrap a description: TaskSpec('what to do').",
    )


def _check_source(given: object, sources: Mapping[str, float]) -> None:
    if not isinstance(given, str) or given not in sources:
        raise InvalidTask(
            "source is unknown",
            field="source",
            received=ascii(given)[:80],
            allowed=", ".join(sources),
            hint="Pick one of these, or open the scheduler with its own sources.",
        )


def _duration(field: str, given: float, least: float) -> float:
    number_in(field, given, least, TEN_YEARS)
    return float(given)


def _check_traceparent(given: object) -> None:
    if not isinstance(given, str) or not TRACEPARENT.fullmatch(given):
        raise InvalidTask(
            "traceparent is no W3C trace context",
            field="traceparent",
            received=ascii(given)[:80],
            allowed="00-<32 hex digits>-<16 hex digits>-<2 hex digits>",
            hint="Leave it out: it is filled in where OpenTelemetry is in use.",
        )


def _summary(spec: TaskSpec) -> str:
    if spec.summary is not None:
        check_summary(spec.summary)
        return spec.summary
    description = spec.description
    if len(description) <= SUMMARY_LENGTH and "\n" not in description:
        return description
    first = next((line for line in description.splitlines() if line.strip()), description)
    return first.strip()[:SUMMARY_LENGTH]


def check_summary(summary: str) -> None:
    """A text of up to 140 characters."""
    text("summary", summary, SUMMARY_LENGTH * 4)
    if len(summary) > SUMMARY_LENGTH:
        raise TooLarge(
            f"summary has {len(summary)} characters",
            field="summary",
            received=len(summary),
            allowed=f"up to {SUMMARY_LENGTH} characters",
            hint="Shorten it; the description has room for the rest.",
        )


def references(
    field: str, given: object, owner: TaskSpec | None, places: Mapping[int, int]
) -> Edges:
    """Prerequisites as numbers and places, duplicates folded."""
    if given == ():
        return NO_EDGES
    if type(given) is not list and (
        isinstance(given, str | TaskSpec | Task) or not isinstance(given, Iterable)
    ):
        raise InvalidTask(
            f"{field} is not a list",
            field=field,
            received=given if isinstance(given, str) else type(given).__name__,
            allowed="a list of ids, Tasks, or TaskSpecs of the same batch",
            hint=f"Write {field}=[...], also for one.",
        )
    numbers: dict[int, None] = {}
    local: dict[int, None] = {}
    for item in given:
        if not isinstance(item, TaskSpec):
            numbers[number_of(item, field)] = None
        elif item is not owner and (place := places.get(id(item))) is not None:
            local[place] = None
        else:
            raise _outsider(field, item, owner)
    if len(numbers) + len(local) > PREREQUISITES:
        raise TooLarge(
            f"{len(numbers) + len(local):,} tasks in {field}",
            field=field,
            received=len(numbers) + len(local),
            allowed=f"up to {PREREQUISITES:,}",
            hint="Put a task in between that waits for a part of them.",
        )
    return Edges(tuple(numbers), tuple(local))


def _outsider(field: str, spec: TaskSpec, owner: TaskSpec | None) -> InvalidTask:
    if spec is owner:
        return InvalidTask(
            "a task cannot wait for itself",
            field=field,
            allowed="other tasks",
            hint="Take it out of its own list.",
        )
    return InvalidTask(
        f"{field} names a TaskSpec that is not in this batch",
        field=field,
        allowed="an id, a Task, or a TaskSpec of the same enqueue_many",
        hint="Pass the Task that enqueue returned for it.",
    )


def number_of(task: object, field: str = "task_id") -> int:
    """The number of a task given as a Task or an id."""
    return task.number if isinstance(task, Task) else ids.decode(task, field)


def seconds(field: str, when: object) -> float | None:
    """An aware datetime as Unix seconds."""
    if when is None:
        return None
    if isinstance(when, datetime) and when.tzinfo is not None:
        return _in_reach(field, when)
    naive = isinstance(when, datetime)
    raise InvalidTask(
        f"{field} has no time zone" if naive else f"{field} is not a datetime",
        field=field,
        received=str(when)[:80],
        allowed="an aware datetime, such as datetime.now(UTC) + timedelta(hours=1)",
        hint="Add tzinfo=UTC, or call .astimezone() for local time.",
    )


def _in_reach(field: str, when: datetime) -> float:
    stamp = when.timestamp()
    if EARLIEST <= stamp <= LATEST:
        return stamp
    raise InvalidTask(
        f"{field} is out of range",
        field=field,
        received=str(when)[:80],
        allowed="a moment in the years 1970 to 8999",
        hint="Leave it out, if it is to mean never.",
    )
