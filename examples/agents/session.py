"""A session of an agent: a `headrace mcp` process of its own, and the SDK's client to call it.

Sessions that name the same database share it. Which process owns the file, and what happens when
that one is gone, is headrace's business: nothing here knows of it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

HEADRACE = (sys.executable, "-m", "scheduler.cli")  # `headrace`, also where it is not on the path
KEEP_PID = 'echo $$ > "$0"; exec "$@"'  # the shell notes its process id, and becomes the server
BEGUN = time.monotonic()

Answer = dict[str, Any]


class ToolFailed(Exception):
    """A tool answered with an error: `body` has code, message, hint and more."""

    def __init__(self, tool: str, body: Answer) -> None:
        super().__init__(f"{tool}: {body['code']}: {body['message']} {body.get('hint', '')}")
        self.body = body


class Session:
    """What an agent can do: call a tool, and tell what happens."""

    def __init__(self, name: str, client: Client, pid_file: Path) -> None:
        self.name = name
        self._client = client
        self._pid_file = pid_file

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """The structured content of the tool's answer. Raises ToolFailed."""
        result = await self._client.call_tool(tool, arguments)
        body = result.structured_content
        if not isinstance(body, dict):
            raise TypeError(f"{tool} has answered without structured content: {result}")
        if result.is_error:
            raise ToolFailed(tool, body)
        return body

    def tell(self, text: str) -> None:
        """A line of the story: seconds since its beginning, who, what."""
        print(f"{time.monotonic() - BEGUN:6.2f}  {self.name:<6} {text}", flush=True)

    def kill(self) -> None:
        """kill -9 the server: no goodbye, nothing flushed, the leases stay as they are."""
        os.kill(int(self._pid_file.read_text()), signal.SIGKILL)


@asynccontextmanager
async def open_session(name: str, database: Path, *options: str) -> AsyncIterator[Session]:
    """Start `headrace mcp --db DATABASE` with more options; it ends with the block."""
    with TemporaryDirectory() as folder:
        pid_file = Path(folder) / "pid"
        server = [*HEADRACE, "mcp", "--db", str(database), *options]
        process = StdioServerParameters(command="sh", args=["-c", KEEP_PID, str(pid_file), *server])
        async with Client(stdio_client(process)) as client:
            yield Session(name, client, pid_file)
