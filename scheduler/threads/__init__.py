"""headrace for programs without an event loop: the same handle, whose methods block.

    from scheduler.threads import open_scheduler

    with open_scheduler("tasks.db") as scheduler:
        scheduler.enqueue("Build the wheel")

The actors run in a Trio loop in a thread of their own. Any number of threads may use the handle.
"""

from __future__ import annotations

from scheduler.threads.blocking_scheduler import BlockingScheduler
from scheduler.threads.opening import connect, open_scheduler
from scheduler.threads.serving import serve

__all__ = ["BlockingScheduler", "connect", "open_scheduler", "serve"]
