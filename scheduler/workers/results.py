"""What a handler returned, as the JSON of a result; what is none is told with its place."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from math import isfinite
from typing import Any

from scheduler.domain.encoding import encode_json
from scheduler.domain.errors import InvalidRequest, SchedulerError

LOOKED_AT = 10_000  # values, in the search for the one at fault


def result_json(value: Any) -> str | None:
    """The value as JSON text, None for None. Raises InvalidRequest with the part at fault."""
    if value is None:
        return None
    try:
        return encode_json("result", value)
    except (SchedulerError, RecursionError) as error:
        raise _refusal(value, error) from None


def _refusal(value: Any, error: Exception) -> InvalidRequest:
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        return InvalidRequest(
            "it returned something to be awaited",
            field="result",
            received=type(value).__name__,
            hint="Register the coroutine function itself, not a function that calls it.",
        )
    fault = next(_faults(value), None)
    what = error.message if isinstance(error, SchedulerError) else "the result is nested too deep"
    hint = error.hint if isinstance(error, SchedulerError) else None
    if fault is not None:
        what = f"{what}, at {fault[0]}"
    return InvalidRequest(
        what,
        field="result" if fault is None else fault[0],
        received=type(value if fault is None else fault[1]).__name__,
        hint=hint,
    )


def _faults(value: Any) -> Iterator[tuple[str, Any]]:
    """The parts that are not JSON, each with its place, such as result["files"][3]."""
    waiting = [("result", value)]
    for _ in range(LOOKED_AT):
        if not waiting:
            return
        place, part = waiting.pop()
        if isinstance(part, dict):
            for key, inner in part.items():
                if not isinstance(key, str):
                    yield f"the key {ascii(key)[:40]} of {place}", key
                waiting.append((f"{place}[{ascii(key)[:40]}]", inner))
        elif isinstance(part, list | tuple):
            waiting += [(f"{place}[{index}]", inner) for index, inner in enumerate(part)]
        elif not _plain(part):
            yield place, part


def _plain(part: Any) -> bool:
    if isinstance(part, str):
        return part.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in part)
    if isinstance(part, float):
        return isfinite(part)
    return part is None or isinstance(part, bool | int)
