"""Runs one command line as a child process and keeps the end of what it prints."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

import trio

from scheduler.workers.processes.guard import guarded

TAIL_BYTES = 16 * 1024  # kept of each stream: as JSON at most 96 KiB, so a result holds both
TERM_SECONDS = 3.0  # between SIGTERM and SIGKILL
LOOK_SECONDS = 0.02  # between two looks at whether all have ended
LINGER_SECONDS = 1.0  # for output, when a grandchild keeps the pipe open


class Tail:
    """The last bytes of a stream."""

    def __init__(self, size: int = TAIL_BYTES) -> None:
        self._size = size
        self._kept = bytearray()
        self._total = 0

    async def fill(self, stream: trio.abc.ReceiveStream) -> None:
        """Read the stream to its end."""
        async for chunk in stream:
            self.add(chunk)

    def add(self, chunk: bytes | bytearray) -> None:
        self._total += len(chunk)
        self._kept += chunk
        del self._kept[: -self._size]

    @property
    def whole(self) -> bytes | None:
        """All that was written; None if some of it was dropped."""
        return bytes(self._kept) if self._total == len(self._kept) else None

    @property
    def text(self) -> str:
        """The end of what was kept, as text; says how much is missing."""
        end = self._kept[-TAIL_BYTES:]
        kept = end.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
        dropped = self._total - len(end)
        return f"[{dropped:,} bytes left out]\n{kept}" if dropped else kept


async def run_command(
    words: Sequence[str],
    environment: Mapping[str, str | None],
    stdout: Tail,
    stderr: Tail,
    stdin: bytes | None = None,
    grace: float = TERM_SECONDS,
) -> int:
    """Run a command without a shell; returns its exit code, negative for a signal.

    `environment` is set on top of our own; None takes a variable away. Without `stdin` there is
    no input. When the command has ended or the caller is cancelled, what is left of it and its
    children is terminated, and killed after `grace` seconds. Raises OSError when it cannot be
    started.
    """
    process = await trio.lowlevel.open_process(
        words,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={n: v for n, v in (os.environ | environment).items() if v is not None},
        process_group=0,  # Ctrl-C reaches headrace alone, and a kill reaches all children
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with guarded(process.pid):
        async with process.stdout, process.stderr:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(stdout.fill, process.stdout)
                    nursery.start_soon(stderr.fill, process.stderr)
                    if process.stdin is not None:
                        nursery.start_soon(_feed, process.stdin, stdin or b"")
                    code = await process.wait()
                    nursery.cancel_scope.deadline = trio.current_time() + LINGER_SECONDS
            finally:  # before the pipes are closed: whoever ends in order may still write
                with trio.CancelScope(shield=True):
                    await _terminate(process, grace)
    return code


async def _feed(stream: trio.abc.SendStream, data: bytes) -> None:
    """Write it all and close; a command need not read what it is given."""
    with suppress(trio.BrokenResourceError):
        async with stream:
            await stream.send_all(data)


async def _terminate(process: trio.Process, grace: float) -> None:
    """End the whole group, in order if it can: a shell is often gone before its children."""
    if _reaches(process.pid, signal.SIGTERM):
        with trio.move_on_after(grace):
            while _reaches(process.pid, 0):
                await trio.sleep(LOOK_SECONDS)
                _take_notice(process)
        _reaches(process.pid, signal.SIGKILL)
    await process.wait()


def _take_notice(process: trio.Process) -> None:
    """Of those of the group that have ended, or they would count as being there."""
    if process.poll() is not None:
        with suppress(ChildProcessError):  # most often: orphans are left to process 1
            os.waitpid(-process.pid, os.WNOHANG)


def _reaches(group: int, number: int) -> bool:
    """Whether there is anybody in the group to take this signal."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
