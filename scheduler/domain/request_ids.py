"""Ids of requests, with which a repeated one is recognised.

26 characters: a moment in the form of a task id, so that they rise with time, and 63 random
bits, so that no two processes ever make the same.
"""

from __future__ import annotations

from collections.abc import Callable

from scheduler.domain import ids

REMEMBERED = 3_600.0  # seconds


def make_request_id(now: float, random_bits: Callable[[int], int]) -> str:
    """A new id at `now` (Unix seconds); `random_bits(n)` returns n random bits."""
    return ids.encode(ids.first_at(now)) + ids.encode(random_bits(63))


def forgotten_before(request: str) -> str:
    """What is smaller than this was made so long before `request` that nobody repeats it.

    >>> forgotten_before(make_request_id(1_800_000_000.0, lambda bits: 7))
    '0b5bmvdg00000'
    """
    made = ids.decode(request[: ids.LENGTH])
    return ids.encode(max(0, made - ids.first_at(ids.EPOCH_MS / 1000 + REMEMBERED)))


def check_request_id(request: str) -> None:
    """Raise InvalidRequest for what `make_request_id` never made."""
    for half in (request[: ids.LENGTH], request[ids.LENGTH :]):
        ids.decode(half, "request")
