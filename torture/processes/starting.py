"""Starts, watches and kills processes; none of them outlives the block."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HEADRACE = "scheduler.cli.main"  # a module; its `main` is run
LEAVING_TIME = 5.0  # seconds until the fork server itself is killed


class Starter:
    """The way to a fork server. Each method takes a few milliseconds and blocks."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    def start(
        self,
        words: Sequence[str],
        streams: Sequence[int],
        *,
        module: str = HEADRACE,
        anew: bool = False,
    ) -> int:
        """The process id of `module`'s `main`, with `words` as its arguments.

        `streams` become its descriptors 0, 1, 2 and so on; the caller closes its own copies.
        `anew`: by a Python that imports everything first, and not by a copy of one that has.
        """
        request = {
            "do": "start",
            "module": "scheduler.cli" if anew and module == HEADRACE else module,
            "words": list(words),
            "anew": anew,
        }
        pid = self._ask(request, streams)
        assert isinstance(pid, int)
        return pid

    def kill(self, pid: int, number: int = signal.SIGKILL) -> bool:
        """Send a signal to a process that was started here; whether it still ran."""
        return bool(self._ask({"do": "kill", "pid": pid, "signal": number}))

    def ended(self, pid: int) -> int | None:
        """Its exit code, or the negative number of the signal that killed it; None: it runs."""
        code: int | None = self._ask({"do": "look", "pid": pid})
        return code

    def _ask(self, request: dict[str, Any], streams: Sequence[int] = ()) -> Any:
        socket.send_fds(self._control, [json.dumps(request).encode()], list(streams))
        answer = b""
        while not answer.endswith(b"\n"):
            chunk = self._control.recv(4_096)
            if not chunk:
                raise RuntimeError("the fork server has gone")
            answer += chunk
        return json.loads(answer)


@contextmanager
def starter(environment: Mapping[str, str] | None = None) -> Iterator[Starter]:
    """A fork server of its own, whose children are killed at the end.

    `environment` is theirs, beside our own.
    """
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-m", "torture.processes.forkserver", str(theirs.fileno())],
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        start_new_session=True,  # Ctrl-C comes to us alone, and the socket tells it
    )
    theirs.close()
    try:
        yield Starter(ours)
    finally:
        ours.close()  # it hears of it, kills its children and goes
        try:
            process.wait(LEAVING_TIME)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def open_log(path: Path) -> int:
    """A descriptor that appends to a file: for stderr."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
