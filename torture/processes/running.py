"""The processes that share one database: the sessions and servers that run now."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from persistence.ownership import last_owner
from torture.processes.conversation import SessionEndedError
from torture.processes.http import HttpSession, connected
from torture.processes.starting import HEADRACE, Starter, open_log
from torture.processes.stdio import StdioSession

STARTING_TIME = 30.0  # seconds until a server that does not say where it listens is a fault
LEAVING_TIME = 10.0  # seconds that a process whose client has gone may stay before we kill it
LOOK_EVERY = 0.005  # seconds


@dataclass(eq=False)
class Running:
    """A process, and whether it was us who killed it."""

    pid: int
    kind: str  # "stdio" or "http"
    log: Path  # what it wrote to stderr
    killed: bool = False


class Processes:
    """Starts headrace processes on one database; knows those that run, and who owns the file."""

    def __init__(self, starter: Starter, database: Path) -> None:
        self.database = database
        self.live: list[Running] = []
        self.stayed = 0.0  # seconds, the longest that one went on after its client had gone
        self._starter = starter
        self._started = 0
        self._token_file = database.with_name("token")

    # ------------------------------------------------------------- starting

    @asynccontextmanager
    async def session(self, *, anew: bool = False) -> AsyncIterator[tuple[Running, StdioSession]]:
        """A `headrace mcp` of its own; not greeted yet. Its input is closed at the end."""
        their_input, our_output = os.pipe()
        our_input, their_output = os.pipe()
        with self._one("stdio", ["mcp"], (their_input, their_output), anew=anew) as running:
            async with (
                trio.lowlevel.FdStream(our_output) as to_server,
                trio.lowlevel.FdStream(our_input) as from_server,
            ):
                yield running, StdioSession(running.pid, to_server, from_server)
            await self._gone(running)

    @contextmanager
    def server(
        self, *, anew: bool = False, module: str = HEADRACE, before: Sequence[str] = ()
    ) -> Iterator[Running]:
        """A `headrace serve` of its own; killed at the end.

        `module` may be one that takes the words `before` and then does as headrace does.
        """
        words = [*before, "serve", "--http", "127.0.0.1:0", "--token-file", str(self._token_file)]
        streams = (os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY))
        with self._one("http", words, streams, anew=anew, module=module) as running:
            yield running

    async def client(self, server: Running) -> HttpSession:
        """A connection to a server. Raises SessionEndedError if it has gone."""
        with trio.fail_after(STARTING_TIME):
            while True:
                if self.has_gone(server):
                    raise SessionEndedError
                client = await connected(server.pid, server.log, self._token_file)
                if client is not None:
                    return client
                await trio.sleep(LOOK_EVERY)

    @contextmanager
    def _one(
        self,
        kind: str,
        words: Sequence[str],
        streams: tuple[int, int],
        *,
        anew: bool,
        module: str = HEADRACE,
    ) -> Iterator[Running]:
        self._started += 1
        log = self.database.with_name(f"{kind}-{self._started}.log")
        errors = open_log(log)
        words = [*words, "--tools", "all", "--db", str(self.database)]
        try:
            pid = self._starter.start(words, (*streams, errors), anew=anew, module=module)
        finally:
            for stream in (*streams, errors):
                os.close(stream)
        running = Running(pid, kind, log)
        self.live.append(running)
        try:
            yield running
        finally:
            self.kill(running)

    # ------------------------------------------------------------- ending

    def kill(self, running: Running) -> bool:
        """Kill it with kill -9; whether it still ran."""
        if running in self.live:
            self.live.remove(running)
        if not self._starter.kill(running.pid):
            return False
        running.killed = True
        return True

    def has_gone(self, running: Running) -> bool:
        """Whether the process has ended, in whichever way."""
        return self._starter.ended(running.pid) is not None

    def story(self, running: Running) -> str:
        """How it ended, if it has, and the last lines that it wrote to stderr."""
        code = self._starter.ended(running.pid)
        lines = running.log.read_text(errors="replace").strip().splitlines()
        return f"{'it runs' if code is None else f'exit code {code}'}: {' | '.join(lines[-4:])}"

    def owner(self) -> Running | None:
        """Which of them the lock file names as the owner; it may be gone."""
        owner = last_owner(str(self.database))
        return next((one for one in self.live if owner and one.pid == owner.pid), None)

    async def _gone(self, running: Running) -> None:
        """Wait for a process whose client has gone, and note how long it stayed."""
        began = trio.current_time()
        while not self.has_gone(running) and trio.current_time() - began < LEAVING_TIME:
            await trio.sleep(LOOK_EVERY)
        if not running.killed:
            self.stayed = max(self.stayed, trio.current_time() - began)


def processor_seconds(running: Running) -> float:
    """What it has taken of the processors so far; other work of the machine does not count."""
    fields = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
