"""Checks of what callers pass to a handle's methods, beyond the fields of a task."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from actors.commands import Finish, Outcomes
from actors.observer import Callback
from scheduler.domain import encoding, ids
from scheduler.domain.errors import InvalidRequest, InvalidTask, SchedulerError
from scheduler.domain.limits import Limit, LimitKind
from scheduler.domain.request import DESCRIPTION_BYTES, TEN_YEARS, check_summary, number_of, seconds
from scheduler.domain.spec import TaskSpec, spec_from, unknown_field
from scheduler.domain.task import PENDING, Status
from scheduler.domain.views import Claim, Ended

TOKEN_BYTES = 1_000  # far more than ours have

name = encoding.name
number = encoding.number_in
text = encoding.text


def whole(field: str, value: object, low: int, high: int) -> None:
    """An int between `low` and `high`, both included."""
    number(field, value, low, high, whole=True)


def callback(given: Any) -> Callback:
    """Something to call with each event; it cannot be awaited."""
    called = getattr(given, "func", given)  # of a functools.partial
    is_async = inspect.iscoroutinefunction(called)
    if callable(given) and not is_async:
        return cast("Callback", given)
    raise InvalidRequest(
        f"the callback is {'a coroutine function' if is_async else 'no function'}",
        field="callback",
        received=getattr(called, "__qualname__", type(given).__name__),
        allowed="a plain function of one argument, the event",
        hint="Let it put the event into a memory channel (`send_nowait`) that a task reads.",
    )


def one_spec(task: str | TaskSpec, fields: Mapping[str, Any]) -> TaskSpec:
    """The spec of `enqueue`: given as such, or made from a description and fields."""
    if not isinstance(task, TaskSpec):
        return spec_from(task, fields)
    if fields:
        raise InvalidTask(
            "fields beside a TaskSpec",
            field=next(iter(fields)),
            allowed="either a TaskSpec, or a description and fields",
            hint="Put the fields into the TaskSpec.",
        )
    return task


def names(field: str, values: Iterable[str]) -> tuple[str, ...]:
    """Several names, such as agent types; none at all is refused."""
    if isinstance(values, str):
        values = (values,)
    given = tuple(dict.fromkeys(values))
    for value in given:
        name(field, value)
    if not given:
        raise InvalidRequest(
            f"{field} is empty", field=field, received=[], allowed="one or more, or None for any"
        )
    return given


def tasks(field: str, given: Iterable[Any]) -> tuple[int, ...]:
    """Tasks or ids as numbers, duplicates folded, in order."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidRequest(
            f"{field} is not a list",
            field=field,
            received=str(given)[:80],
            allowed="a list of Tasks or ids",
            hint=f"Write {field}=[...], also for one.",
        )
    return tuple(dict.fromkeys(number_of(task, field) for task in given))


def alone(field: str, other: object) -> None:
    """Refuse an argument beside another that it excludes."""
    if other is not None:
        raise InvalidRequest(
            f"{field} and a list of tasks", field=field, allowed="one of the two, or neither"
        )


def pairs(field: str, given: Iterable[Any]) -> tuple[tuple[Any, Any], ...]:
    """Pairs of a claim and a result."""
    items = tuple(given)
    if not all(isinstance(item, tuple | list) and len(item) == 2 for item in items):
        raise InvalidRequest(
            f"{field} holds something that is no pair",
            field=field,
            allowed="pairs (claim, result)",
            hint="Write [(claim, result), ...].",
        )
    return tuple((item[0], item[1]) for item in items)


def claim(given: object) -> tuple[int, str]:
    """The number and token of a Claim or of a pair (task id, lease token)."""
    if isinstance(given, Claim):
        return given.task.number, given.token
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], str):
        text("lease_token", given[1], TOKEN_BYTES)
        return ids.decode(given[0]), given[1]
    raise InvalidRequest(
        "this is no claim",
        field="claim",
        received=type(given).__name__,
        allowed="a Claim, or a pair (task id, lease token)",
        hint="Pass what claim returned.",
    )


def limit(
    agent_type: str | None,
    limit_key: str | None,
    concurrency: int | None,
    starts: int | None,
    per: float | None,
    burst: int | None,
) -> Limit:
    """The limit of `set_limit`, proved."""
    if (agent_type is None) == (limit_key is None):
        raise InvalidRequest(
            "a limit is for one agent_type or for one limit_key",
            field="agent_type",
            received=None if agent_type is None else [agent_type, limit_key],
            allowed="exactly one of agent_type and limit_key",
            hint="Set two limits, one for each.",
        )
    if (starts is None) != (per is None) or (burst is not None and starts is None):
        raise InvalidRequest(
            "a rate is a number of starts in a number of seconds",
            field="per" if per is None else "starts",
            allowed="starts and per together, with burst or without it",
            hint="For one start a second: starts=1, per=1.0.",
        )
    for field, value in (("concurrency", concurrency), ("starts", starts), ("burst", burst)):
        if value is not None:
            _at_least_one(field, value)
    if per is not None:
        number("per", per, 0.001, 366 * 86_400)
    kind: LimitKind = "limit_key" if agent_type is None else "agent_type"
    scope = str(limit_key if agent_type is None else agent_type)
    name(kind, limit_key if agent_type is None else agent_type)
    return Limit(kind, scope, concurrency, starts, None if per is None else float(per), burst)


def _at_least_one(field: str, value: object) -> None:
    if value == 0 and not isinstance(value, bool):
        raise InvalidRequest(
            f"{field} is 0: nothing would ever start",
            field=field,
            received=0,
            allowed="1 to 1,000,000, or None for no limit",
            hint="To stop an agent_type for a while, pause it.",
        )
    whole(field, value, 1, 1_000_000)


def completion(given: object, result: Any) -> Finish:
    """The claim and its result, encoded."""
    number_, token = claim(given)
    encoded = None if result is None else encoding.encode_json("result", result)
    return Finish("complete", number_, token, encoded)


def sole(outcomes: Outcomes) -> Ended:
    """The one outcome, or its error raised."""
    outcome = outcomes[0]
    if isinstance(outcome, SchedulerError):
        raise outcome
    return outcome


def statuses(given: str | Iterable[str] | None) -> frozenset[Status] | None:
    """A status filter: one, several, or the word pending."""
    if given is None:
        return None
    chosen: set[Status] = set()
    for word in (given,) if isinstance(given, str) else given:
        if word == "pending":
            chosen |= PENDING
            continue
        try:
            chosen.add(Status(word))
        except ValueError:
            raise InvalidRequest(
                "status is unknown",
                field="status",
                received=str(word)[:80],
                allowed=", ".join([*Status, "pending"]),
            ) from None
    return frozenset(chosen)


def _optional(check: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    return lambda field, value: None if value is None else check(field, value)


def _number(low: float, high: float, *, is_whole: bool = False) -> Callable[[str, Any], Any]:
    def check(field: str, value: Any) -> Any:
        number(field, value, low, high, whole=is_whole)
        return value

    return check


def _text(most_bytes: int) -> Callable[[str, Any], Any]:
    def check(field: str, value: Any) -> Any:
        text(field, value, most_bytes)
        return value

    return check


def _summary(_: str, value: Any) -> Any:
    check_summary(value)
    return value


def _name(field: str, value: Any) -> Any:
    name(field, value)
    return value


# field of a caller -> column of Task, and the check that returns the column's value
CHANGEABLE: dict[str, tuple[str, Callable[[str, Any], Any]]] = {
    "description": ("description", _text(DESCRIPTION_BYTES)),
    "summary": ("summary", _summary),
    "agent_type": ("agent_type", _name),
    "base_priority": ("base_priority", _number(0, 10, is_whole=True)),
    "deadline": ("deadline_s", seconds),
    "not_before": ("not_before_s", seconds),
    "estimated_duration": ("estimated_duration", _number(0, TEN_YEARS)),
    "payload": ("payload_json", _optional(encoding.encode_json)),
    "group": ("group", _optional(_name)),
    "max_attempts": ("max_attempts", _number(1, 1_000, is_whole=True)),
    "timeout": ("timeout", _optional(_number(0.001, TEN_YEARS))),
    "limit_key": ("limit_key", _optional(_name)),
}


def changes(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `update` as columns."""
    if not fields:
        raise InvalidRequest(
            "update changes nothing", allowed=", ".join(CHANGEABLE), hint="Name a field."
        )
    columns: dict[str, Any] = {}
    for field, value in fields.items():
        if field not in CHANGEABLE:
            raise unknown_field(field, CHANGEABLE)
        column, check = CHANGEABLE[field]
        columns[column] = check(field, value)
    return columns
