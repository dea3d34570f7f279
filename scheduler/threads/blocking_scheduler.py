"""The object that a program on threads holds: the commands, and the workers that run in it."""

from __future__ import annotations

from scheduler.bridging.blocking import BlockingHandle, blocking, direct
from scheduler.embedded import Scheduler


class BlockingScheduler(BlockingHandle):
    """A running scheduler for threads, made by `open_scheduler` or `connect` of this package.

    Its methods are those of Scheduler, where they are documented, without `await`; any number of
    threads may use it at a time. Ctrl-C cancels a call that waits; `run_workers` then ends the
    workers in order before KeyboardInterrupt is raised.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler)

    handler = direct(Scheduler.handler)
    run_workers = blocking(Scheduler.run_workers)
    end_workers = blocking(Scheduler.end_workers)
