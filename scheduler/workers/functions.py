"""The checks of a function that is registered, and how texts call it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from scheduler.domain.errors import InvalidRequest


def checked_function(function: object, agent_type: str, shape: str = "handler(job)") -> str:
    """How to call the function in texts; `shape` is how it is to be defined."""
    if inspect.iscoroutine(function):
        function.close()  # or Python warns that it was never awaited
        raise _not_callable(function, "Pass the function itself, without calling it.")
    if not callable(function):
        raise _not_callable(
            function, f"Pass a function: scheduler.handler({agent_type!r})(function)."
        )
    if is_kind(inspect.isgeneratorfunction, function) or is_kind(
        inspect.isasyncgenfunction, function
    ):
        raise InvalidRequest(
            "a generator function is no handler: it would return before it has begun",
            field="function",
            received=title_of(function),
            allowed="a function, or a coroutine function",
            hint="Return the result; tell progress with job.report().",
        )
    _check_parameters(function, shape)
    return title_of(function)


def _check_parameters(function: Callable[..., Any], shape: str) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions have none
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise InvalidRequest(
            f"the function is called with one argument: {error}",
            field="function",
            received=f"{title_of(function)}{signature}"[:200],
            allowed="one parameter",
            hint=f"Write def {shape}; bind other arguments with functools.partial.",
        ) from None


def is_kind(test: Callable[[Any], bool], function: object) -> bool:
    """Whether the test holds for the function, or for the method that calling the object calls."""
    return test(function) or test(getattr(function, "__call__", None))  # noqa: B004


def title_of(function: object) -> str:
    """How texts call it: the name of what decorators and partials hold inside."""
    inner = inspect.unwrap(getattr(function, "func", function))  # type: ignore[arg-type]
    title = getattr(inner, "__qualname__", None) or type(function).__qualname__
    return str(title).replace("<locals>.", "")


def _not_callable(function: object, hint: str) -> InvalidRequest:
    return InvalidRequest(
        "a handler must be callable",
        field="function",
        received=type(function).__name__,
        allowed="a coroutine function, a plain function, or run=[...] for a command",
        hint=hint,
    )
