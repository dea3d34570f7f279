"""The object that a Trio program holds: the commands, and the workers that run in it."""

from __future__ import annotations

from scheduler.handle import Handle


class Scheduler(Handle):
    """A running scheduler, made by `open_scheduler` or `connect`. All methods are for Trio tasks.

    What `Handle` says of arguments and errors holds here too.
    """
