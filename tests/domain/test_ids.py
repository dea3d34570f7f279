"""Ids: every number has one text, texts sort as numbers do, and slips are noticed."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.domain import ids
from scheduler.domain.errors import InvalidRequest

numbers = st.integers(0, ids.LARGEST)


@given(numbers)
def test_a_number_comes_back_from_its_text(number: int) -> None:
    text = ids.encode(number)
    assert len(text) == ids.LENGTH
    assert set(text) <= set(ids.ALPHABET)
    assert ids.decode(text) == number
    assert ids.decode(text.upper()) == number


@given(numbers, numbers)
def test_texts_sort_as_their_numbers(one: int, other: int) -> None:
    assert (ids.encode(one) < ids.encode(other)) == (one < other)


@pytest.mark.parametrize(("typed", "meant"), [("o", "0"), ("O", "0"), ("i", "1"), ("L", "1")])
def test_letters_that_look_like_digits_are_read_as_digits(typed: str, meant: str) -> None:
    assert ids.decode("0" * 12 + typed) == ids.decode("0" * 12 + meant)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "0" * 12,
        "0" * 14,
        "u" * 13,
        "8" + "0" * 12,
        "zzzzzzzzzzzzz",
        " " * 13,
        7,
        None,
        b"0" * 13,
    ],
)
def test_what_is_no_id_is_refused_with_the_field(wrong: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ids.decode(wrong, "parent_id")
    assert caught.value.field == "parent_id"
    told = wrong if isinstance(wrong, str) else type(wrong).__name__
    assert caught.value.received == told


@given(st.lists(st.floats(1.7e9, 4e9), min_size=1), st.randoms(use_true_random=False))
def test_made_ids_only_grow_whatever_the_clock_does(moments: list[float], random: Random) -> None:
    maker = ids.IdMaker(random.getrandbits)
    made = [maker.next(now) for now in moments]
    assert all(one < other for one, other in pairwise(made))
    assert made[0] >= ids.first_at(moments[0])


def test_an_id_made_after_not_before_is_above_that_number() -> None:
    maker = ids.IdMaker(lambda bits: 0)
    maker.not_before(ids.first_at(3e9))
    assert maker.next(2e9) > ids.first_at(3e9)


def test_ids_of_one_millisecond_are_not_neighbors() -> None:
    """A mistyped last character must not hit another task."""
    maker = ids.IdMaker(lambda bits: (1 << bits) - 1)
    first, second = maker.next(2e9), maker.next(2e9)
    assert second - first > 32


@given(st.lists(numbers))
def test_many_texts_are_those_of_the_single_numbers(many: list[int]) -> None:
    assert ids.encode_all(many) == tuple(map(ids.encode, many))


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(1.7e9, 1.8e9)), max_size=20))
def test_ids_taken_together_rise_as_single_ones_do(takes: list[tuple[int, float]]) -> None:
    """Whatever the clock does between two takes."""
    maker = ids.IdMaker(Random(1).getrandbits)
    taken = [number for count, now in takes for number in maker.take(count, now)]
    assert len(taken) == sum(count for count, _ in takes)
    assert all(before < after for before, after in pairwise(taken))
