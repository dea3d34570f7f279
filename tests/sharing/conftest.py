"""Handles that share a file: in this process, and in real other ones."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from trio.abc import Instrument

from scheduler.sharing.link import Link

T = TypeVar("T")

OWNER = """
import sys, trio
from scheduler import connect, open_scheduler
async def main():
    how = open_scheduler if sys.argv[2] == "alone" else connect
    async with how(sys.argv[1]):
        print("open", flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
trio.run(main)
"""


def run_within_a_minute(
    main: Callable[[], Awaitable[T]], clock: None = None, instruments: Sequence[Instrument] = ()
) -> T:
    """`trio.run` in real time, for sockets and processes, with an end."""

    async def bounded() -> T:
        with trio.fail_after(60):
            return await main()

    return trio.run(bounded, instruments=instruments)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        here = Path(__file__).parent in item.path.parents
        if here and inspect.iscoroutinefunction(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.trio(run=run_within_a_minute), append=False)


def new_link(stream: trio.SocketStream) -> Link:
    """The other end of a connection to an owner that lives."""
    return Link(stream, lambda pid: True, lambda command: None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database may be made."""
    return tmp_path / "tasks.db"


class Other:
    """Another process that has the file open."""

    def __init__(self, path: Path, how: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(path), how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "open\n"
        self.pid = self._process.pid

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def leave(self) -> None:
        """Close the file in order."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def end(self) -> None:
        """Kill it, if it is still there, and wait for it."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


Start = Callable[[str], Other]


@pytest.fixture
def start(path: Path) -> Iterator[Start]:
    """Starts other processes: `connect`ed, or with the file open `alone`."""
    started: list[Other] = []

    def start_one(how: str = "connect") -> Other:
        started.append(Other(path, how))
        return started[-1]

    yield start_one
    for other in started:
        other.end()
