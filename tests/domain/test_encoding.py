"""JSON from callers: whatever way a value takes through the encoder, the outcome is the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.domain import encoding
from scheduler.domain.encoding import encode_json
from scheduler.domain.errors import SchedulerError

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
keys = st.text() | st.integers() | st.booleans()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner) | st.sets(keys)
    ),
    max_leaves=20,
)


class Level(IntEnum):
    HIGH = 3


def outcome(encode: Callable[[str, Any], str], value: Any) -> Any:
    """The value that comes back, or the code of the error."""
    try:
        return json.loads(encode("payload", value))
    except SchedulerError as error:
        return type(error)


@given(values)
def test_the_quick_way_accepts_and_keeps_what_the_close_look_does(value: Any) -> None:
    assert outcome(encode_json, value) == outcome(encoding._encode_closely, value)


@pytest.mark.parametrize(
    "value",
    [
        {"deep": [[{"a": None}]]},
        ["{" * 100],
        (1, (2,)),
        2**200,
        -0.0,
        1e16,
        Level.HIGH,
        {"level": Level.HIGH},
        "\ud800",
        float("nan"),
        [float("inf")],
        {1: 2},
        {1, 2},
        b"bytes",
        "x" * 300_000,
    ],
)
def test_the_same_for_what_is_odd(value: Any) -> None:
    """Nested text that looks like structure, tuples, large numbers, and what is no JSON."""
    assert outcome(encode_json, value) == outcome(encoding._encode_closely, value)


def test_a_value_that_claims_to_be_equal_to_all_is_refused() -> None:
    """Nor does it help it to raise."""

    class Liar:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    assert not isinstance(outcome(encode_json, [Liar()]), list)
