"""What a worker tells of its work."""

from __future__ import annotations

from typing import Literal

import msgspec

from scheduler.cli.work.worker_queue import Work
from scheduler.domain.errors import SchedulerError

Kind = Literal["started", "completed", "failed", "retrying", "released", "held", "lost"]


class Event(msgspec.Struct, frozen=True):
    """Something that happened to a task. `seconds` it ran.

    held: it could not be given back, and is free when its lease ends. lost: it is not ours any
    more, or nobody could be told of its end; `error` says so. retrying: in `again_s` seconds,
    with so many attempts left.
    """

    kind: Kind
    work: Work
    seconds: float = 0.0
    error: str | None = None
    again_s: float | None = None
    attempts_left: int | None = None


class Trouble(msgspec.Struct, frozen=True):
    """The queue did not answer; it is asked again in `pause` seconds."""

    error: SchedulerError
    pause: float
