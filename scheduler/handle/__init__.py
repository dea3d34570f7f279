"""The object a client holds: one short method a command.

A method checks its arguments, sends one command to ingest and awaits the reply. It holds no
task and changes none; any number of tasks of its loop may use one handle at a time.
"""

from __future__ import annotations

from scheduler.handle.changing import Changing
from scheduler.handle.door import Door as Door
from scheduler.handle.enqueueing import Enqueueing
from scheduler.handle.looking import ChangeFeed as ChangeFeed
from scheduler.handle.looking import Looking
from scheduler.handle.steering import Steering
from scheduler.handle.working import Working


class Handle(Enqueueing, Working, Changing, Looking, Steering):
    """The commands of a running scheduler, each a coroutine of the world of its door.

    Where a task is wanted, pass a Task or an id; where a claim is wanted, a Claim or a pair
    (task id, lease token). Durations are seconds. Any method may raise SchedulerClosed,
    StoreUnavailable (with its `outcome`) and, for arguments out of range, InvalidRequest.
    """
