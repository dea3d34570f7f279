"""headrace for asyncio programs: the same handle with the same methods.

    from scheduler.asyncio import open_scheduler

    async with open_scheduler("tasks.db") as scheduler:
        await scheduler.enqueue("Build the wheel")

The actors run in a Trio loop in a thread of their own; calls, cancellation and errors cross.
"""

from __future__ import annotations

from scheduler.asyncio.opening import connect, open_scheduler
from scheduler.asyncio.serving import serve
from scheduler.embedded import Scheduler

__all__ = ["Scheduler", "connect", "open_scheduler", "serve"]
