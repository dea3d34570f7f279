"""When nothing is left that a pool could do, now or without somebody else's doing."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from scheduler.domain.task import Status
from scheduler.domain.views import Idle
from scheduler.handle import Handle

LOOK_AGAIN = 60.0  # seconds, if nothing changes before
PAUSE = 0.05  # seconds between two looks, while others change much


async def nothing_left(handle: Handle, lanes: Sequence[str]) -> bool:
    """Whether these lanes are over; else wait until something has changed, and say no.

    They are when nothing in them is ready, scheduled or leased, and what is blocked waits for
    nothing that is being worked on anywhere. Work of a paused lane does not count.
    """
    _, sequence = await handle.read_changes(None, limit=1)
    if await _over(handle, await handle.why_idle(lanes)):
        return True
    await handle.read_changes(sequence, limit=1, wait=LOOK_AGAIN)
    await trio.sleep(PAUSE)
    return False


async def _over(handle: Handle, idle: Idle) -> bool:
    match idle.reason:
        case "nothing_pending" | "paused":
            return True
        case "all_blocked":
            return not (await handle.queue_status()).counts.get(Status.RUNNING)
        case _:
            return False
