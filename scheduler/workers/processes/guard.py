"""A small process that ends our commands when we end without having done so, as by kill -9.

It is a shell that reads from a pipe which groups of processes to end; the kernel closes the pipe
with us, however we end. The system has nothing that serves: Linux can signal a child when its
parent ends, but takes the thread that started it for the parent, and tells no grandchildren.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

SCRIPT = """
cd /
trap '' INT TERM HUP
held=' '
while read -r what group; do
    case $what in
    start) held="$held$group " ;;
    end) held="${held%% "$group" *} ${held#* "$group" }" ;;
    esac
done
for group in $held; do kill -s KILL -- "-$group"; done
"""


@contextmanager
def guarded(group: int) -> Iterator[None]:
    """Let this group of processes be killed if this process ends within the block."""
    _tell(f"start {group}\n")
    try:
        yield
    finally:
        _tell(f"end {group}\n")


def _tell(line: str) -> None:
    pipe = _pipe()
    if pipe is not None:
        with suppress(OSError):  # somebody has ended the guard; it is a second line of defense
            os.write(pipe, line.encode())


@cache
def _pipe() -> int | None:
    """To the guard of this process, which is started with the first command."""
    theirs, ours = os.pipe()
    os.set_blocking(ours, False)
    try:
        os.posix_spawnp(
            "sh",
            ["sh", "-c", SCRIPT],
            {},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, theirs, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setpgroup=0,  # so that no signal from the terminal reaches it
        )
    except OSError:
        os.close(ours)
        return None
    finally:
        os.close(theirs)
    return ours
