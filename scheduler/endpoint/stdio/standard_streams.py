"""Takes the standard streams for the protocol, so that nothing else can get in between."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from scheduler.domain.errors import InvalidRequest

ABOVE_STANDARD = 3  # descriptors 0 to 2 are taken by whoever opens next, if they are closed


@contextmanager
def diverted() -> Iterator[tuple[int, int]]:
    """Descriptors of stdin and stdout as they were; they stay open until the end of the block.

    Meanwhile 0 reads nothing and 1 is stderr: a stray `print`, or a child process, cannot break
    the protocol.
    """
    received, sent = _duplicate(0), _duplicate(1)
    _flush()
    with open(os.devnull, "r+b") as nothing:
        os.dup2(nothing.fileno(), 0)
        try:
            os.dup2(2, 1)
        except OSError:  # stderr is closed
            os.dup2(nothing.fileno(), 1)
    try:
        yield received, sent
    finally:
        _flush()
        os.dup2(received, 0)
        os.dup2(sent, 1)
        os.close(received)
        os.close(sent)


def must_be_open() -> None:
    """Refuse to serve nobody. To be asked first: the next open takes a closed stream's number."""
    for name in ("stdin", "stdout"):
        if getattr(sys, name) is None:
            raise InvalidRequest(
                f"{name} is closed",
                field=name,
                allowed="a pipe of the client that starts this server",
            )


def _duplicate(descriptor: int) -> int:
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, ABOVE_STANDARD)


def _flush() -> None:
    """Let what was printed go where descriptor 1 points now."""
    if sys.stdout is not None:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
