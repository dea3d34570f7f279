"""Each error has a code of its own, a place in the drawn tree, and a form that JSON takes."""

from __future__ import annotations

import json
import re

import pytest

from scheduler.domain import errors
from scheduler.domain.errors import SchedulerError


def family(error: type[SchedulerError]) -> list[type[SchedulerError]]:
    return [error, *(kin for child in error.__subclasses__() for kin in family(child))]


ALL = [error for error in family(SchedulerError) if error.__module__ == errors.__name__]
NEEDED = {errors.DependencyCycle: {"path": ["0000000000001"]}}


def made(error: type[SchedulerError]) -> SchedulerError:
    facts = {"field": "key", "received": 7, "allowed": "a str", "hint": "Quote it."}
    return error("what happened", **facts, **NEEDED.get(error, {}))  # type: ignore[arg-type]


def test_codes_are_unique_and_each_class_has_its_own() -> None:
    codes = [vars(error).get("code") for error in ALL]
    assert None not in codes
    assert len(set(codes)) == len(codes)


def test_a_code_is_the_name_of_its_class() -> None:
    for error in ALL:
        assert error.code == re.sub(r"(?<=.)(?=[A-Z])", "_", error.__name__).lower()


def test_the_docstring_draws_the_tree_as_it_is() -> None:
    """Six columns right of a class stand its children."""
    assert errors.__doc__ is not None
    drawn: dict[str, str | None] = {}
    path: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        if not (found := re.match(r"( {4}[ |'-]*)([A-Z]\w+)", line)):
            continue
        column, name = found.start(2), found.group(2)
        while path and path[-1][0] >= column:
            path.pop()
        drawn[name] = path[-1][1] if path else None
        path.append((column, name))
    expected = {error.__name__: error.__mro__[1].__name__ for error in ALL}
    assert drawn == expected | {"SchedulerError": None}


@pytest.mark.parametrize("error", ALL)
def test_an_error_tells_its_facts_as_json(error: type[SchedulerError]) -> None:
    facts = json.loads(json.dumps(made(error).as_dict()))
    assert facts["code"] == error.code
    assert facts["message"] == str(made(error)) == "what happened"
    assert (facts["field"], facts["received"], facts["allowed"]) == ("key", 7, "a str")
    assert facts["hint"] == "Quote it."


def test_facts_that_are_not_known_are_left_out() -> None:
    assert errors.UnknownTask("no task").as_dict() == {"code": "unknown_task", "message": "no task"}


@pytest.mark.parametrize(
    ("error", "fact", "value"),
    [
        (errors.DependencyCycle("c", path=["a", "b"]), "path", ["a", "b"]),
        (errors.Overloaded("o", retry_after=2.5), "retry_after_s", 2.5),
        (errors.StoreUnavailable("s", outcome="unknown"), "outcome", "unknown"),
        (errors.StoreLocked("l", pid=42), "pid", 42),
    ],
)
def test_an_error_with_more_to_say_says_it(error: SchedulerError, fact: str, value: object) -> None:
    assert error.as_dict()[fact] == value


def test_only_what_may_pass_by_itself_is_retryable() -> None:
    assert {error.__name__ for error in ALL if error.retryable} == {
        "Overloaded",
        "StoreUnavailable",
        "StoreLocked",
    }


def test_what_somebody_must_mend_first_is_not_worth_a_retry() -> None:
    """The class says what is usual, and an error may say otherwise; the wire carries it."""
    error = errors.StoreUnavailable("no such folder", retryable=False)
    assert error.as_dict()["retryable"] is False
    assert errors.from_dict(error.as_dict()).retryable is False
    assert errors.from_dict(errors.StoreUnavailable("disk full").as_dict()).retryable is True
    assert errors.StoreUnavailable.retryable is True
