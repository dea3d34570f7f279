"""The names under which processes hold tasks, and whose holder is dead.

A name is KIND:HOST:PID:NUMBER. Several processes of one host may share a database, so that only
the claims of those that have ended are given back; all others wait for their leases to expire.
"""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from pathlib import Path

from scheduler.handle import Handle

KINDS = ("run", "work", "pool")
FIRST_PID_NAMESPACE = "pid:[4026531836]"  # that of the host, the same in every Linux kernel
_NAME = re.compile(rf"({'|'.join(KINDS)}):(.+):(\d+):\d+")
PAGE = 500


def holder_name(kind: str, number: int) -> str:
    """The name of one worker of this process; `kind` is one of KINDS."""
    return f"{kind}:{_host()}:{os.getpid()}:{number}"


async def take_back(scheduler: Handle, *, may_hold: bool = False) -> None:
    """Give back what dead processes of this host held.

    What stands under our own number was held by one that is dead, unless this process `may_hold`
    something already.
    """
    ours = os.getpid() if may_hold else None
    for prefix in {dead for holder in await _holders(scheduler) if (dead := _dead(holder, ours))}:
        await scheduler.release_holders(prefix)


async def _holders(scheduler: Handle) -> set[str]:
    holders: set[str] = set()
    cursor = None
    while True:
        page = await scheduler.list(status="running", limit=PAGE, cursor=cursor)
        holders |= {task.lease.holder for task in page.tasks if task.lease is not None}
        cursor = page.cursor
        if not page.has_more:
            return holders


def _dead(holder: str, ours: int | None) -> str | None:
    """What the names of a dead process begin with; None if it lives, or nobody here can tell."""
    match = _NAME.fullmatch(holder)
    if match is None or match[2] != _host():
        return None
    pid = int(match[3])
    if pid == ours or (pid != os.getpid() and _lives(pid)):
        return None
    return f"{match[1]}:{match[2]}:{pid}:"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether it has ended, and only its parent has not taken notice yet."""
    with suppress(OSError):
        after_name = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2]
        return after_name.split()[0] in ("Z", "X")
    return False


def _host() -> str:
    """The host, and in a container which: one cannot see the processes of another."""
    with suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
        if namespace != FIRST_PID_NAMESPACE:
            return f"{socket.gethostname()}/{namespace[5:-1]}"
    return socket.gethostname()
