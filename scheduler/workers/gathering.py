"""Lets what comes one by one come together, so that one call tells or claims it all."""

from __future__ import annotations

from collections.abc import Callable

import trio

QUIET_TURNS = 3  # of Trio's loop; in two of them each task has run, whatever their order
MOST_TURNS = 200


async def until_steady(count: Callable[[], int]) -> None:
    """Return when some turns of the loop have added nothing to the count.

    An asyncio loop inside Trio ends one job a turn: a call for each would be a commit for each.
    """
    before, quiet = count(), 0
    for _ in range(MOST_TURNS):
        await trio.lowlevel.checkpoint()
        now = count()
        quiet = 0 if now > before else quiet + 1
        if quiet == QUIET_TURNS:
            return
        before = now
