"""What the doctor hears from the process that has the database open."""

from __future__ import annotations

import os

import trio

from persistence.inspection import Finding
from persistence.ownership import last_owner, owner_of
from scheduler.domain.errors import SchedulerError
from scheduler.sharing import address as addresses
from scheduler.sharing.link import Link

PATIENCE = 2.0  # seconds to wait for its answer


def owner_findings(database: str) -> list[Finding]:
    """Whether the owner lets others in and answers; nothing if there is none."""
    path = os.path.realpath(database)
    pid, last = owner_of(path), last_owner(path)
    if pid is None or last is None or last.pid != pid:
        return []
    if last.address is None:
        advice = "Let that program share it: `await nursery.start(serve, scheduler)`; or stop it."
        return [Finding("warning", f"process {pid} does not share it", advice)]
    return [trio.run(_asked, pid, last.address)]


async def _asked(pid: int, address: str) -> Finding:
    try:
        with trio.fail_after(PATIENCE):
            stream = await trio.open_unix_socket(address)
            try:
                answered = addresses.is_ours(stream) and await _greeted(stream)
            finally:
                await trio.aclose_forcefully(stream)
    except trio.TooSlowError:
        what = f"process {pid} has it and has not answered for {PATIENCE:g} s"
        return Finding("problem", what, "See what that process does; continue or stop it.")
    except OSError:  # it says where it will listen before it has read the file
        answered = False
    except SchedulerError as error:
        return Finding("problem", error.message, error.hint or "")
    if answered:
        return Finding("ok", f"process {pid} answers, and lets others in")
    return Finding(
        "warning", f"process {pid} does not let others in yet", "Look again in a minute."
    )


async def _greeted(stream: trio.SocketStream) -> bool:
    return await Link(stream, lambda _: True, lambda _: None).greet() is not None
