"""A process that has imported headrace already, and forks a copy of itself for each start.

A start takes 20 ms then instead of the second that Python needs to import everything, so that
a campaign kills several processes a second, and hits the opening of the file when it kills one
that has just been started. What the copies run is the program as it is, from its entry point on.

It hears requests on a socket, one JSON line each, with the file descriptors for a start beside
it, and answers each with a line. When the socket closes, it kills what it has started and goes.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import Any

PRELOADED = (
    "scheduler.cli.main",
    "scheduler.cli.serve.mcp_command",
    "scheduler.cli.serve.mcp_session",
    "scheduler.cli.serve.serve_command",
    "scheduler.cli.serve.serve_session",
    "scheduler.sharing.connecting",
    "persistence.migrations",
    "mcp.server.lowlevel",
)
LONGEST = 65_536  # bytes of a request
MOST_STREAMS = 8
ASIDE = 100  # no descriptor of ours is as high


class ForkServer:
    """See the module. Each child is a child of this process, until somebody asks how it ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int | None] = {}  # pid: how it ended

    def serve(self) -> None:
        """Until the other end goes."""
        try:
            while True:
                text, streams, _, _ = socket.recv_fds(self._control, LONGEST, MOST_STREAMS)
                if not text:
                    return
                answer = self._carry_out(json.loads(text), streams)
                self._control.sendall(json.dumps(answer).encode() + b"\n")
        finally:
            for pid in self._children:
                self._kill(pid, signal.SIGKILL)

    def _carry_out(self, request: dict[str, Any], streams: list[int]) -> Any:
        match request["do"]:
            case "start":
                return self._start(request, streams)
            case "kill":
                return self._kill(request["pid"], request["signal"])
            case _:
                return self._look(request["pid"])

    def _start(self, request: dict[str, Any], streams: list[int]) -> int:
        pid = os.fork()
        if not pid:
            self._control.close()
            become(request, streams)
        for stream in streams:
            os.close(stream)
        self._children[pid] = None
        return pid

    def _kill(self, pid: int, number: int) -> bool:
        """Whether it still ran; a pid that was waited for may be somebody else's by now."""
        if self._look(pid) is not None:
            return False
        os.kill(pid, number)
        if number == signal.SIGKILL:
            self._ended(os.waitpid(pid, 0))
        return True

    def _look(self, pid: int) -> int | None:
        """Its exit code, or the negative number of the signal that killed it; None: it runs."""
        if self._children[pid] is None:
            self._ended(os.waitpid(pid, os.WNOHANG))
        return self._children[pid]

    def _ended(self, found: tuple[int, int]) -> None:
        pid, status = found
        if pid:
            self._children[pid] = os.waitstatus_to_exitcode(status)


def become(request: dict[str, Any], streams: list[int]) -> None:
    """Turn this copy into the program that was asked for; does not return."""
    code = 1
    try:
        aside = [fcntl.fcntl(stream, fcntl.F_DUPFD, ASIDE) for stream in streams]
        for place, stream in enumerate(aside):
            os.dup2(stream, place)
        os.closerange(len(streams), ASIDE + MOST_STREAMS)
        if request["anew"]:
            os.execv(sys.executable, [sys.executable, "-m", request["module"], *request["words"]])
        # Those of the fork server know whether its own files can seek.
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        sys.argv = [request["module"], *request["words"]]
        importlib.import_module(request["module"]).main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
        os._exit(code)


def main() -> None:
    """Serve on the socket whose descriptor is the only argument."""
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # the copies share these pages for longer
    ForkServer(socket.socket(fileno=int(sys.argv[1]))).serve()


if __name__ == "__main__":
    main()
