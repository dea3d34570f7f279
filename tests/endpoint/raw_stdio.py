"""`headrace mcp` as a process, spoken to line by line."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "scheduler.cli", "mcp"]
PATIENCE = 20.0  # seconds until a test gives up
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class RawSession:
    """One process on one database; of the era of 2026 unless `initialize` is called."""

    def __init__(self, database: Path, *options: str, **popen: Any) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "--db", str(database), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **popen,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._stdin, self._stdout = self.process.stdin, self.process.stdout
        self._read = b""
        self._number = 0
        self.modern = True

    def send(self, line: bytes) -> None:
        """Write bytes as they are."""
        self._stdin.write(line)
        self._stdin.flush()

    def receive(self) -> Any:
        """The next message."""
        deadline = time.monotonic() + PATIENCE
        while b"\n" not in self._read:
            ready, _, _ = select.select([self._stdout], [], [], deadline - time.monotonic())
            assert ready, "no answer"
            chunk = os.read(self._stdout.fileno(), 1 << 20)
            assert chunk, self.process.stderr and self.process.stderr.read()
            self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        return json.loads(line)

    def request(self, method: str, params: dict[str, Any] | None = None) -> int:
        """Send a request; its id."""
        self._number += 1
        sent = (params or {}) | ({"_meta": META} if self.modern else {})
        message = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": sent}
        self.send(json.dumps(message).encode() + b"\n")
        return self._number

    def ask(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """Send a request; its answer."""
        number = self.request(method, params)
        answer = self.receive()
        assert answer["id"] == number, answer
        return answer

    def call(self, tool: str, **arguments: Any) -> Any:
        """Call a tool; its structured content."""
        answer = self.ask("tools/call", {"name": tool, "arguments": arguments})
        return answer["result"]["structuredContent"]

    def initialize(self) -> None:
        self.modern = False
        client = {"name": "test", "version": "1"}
        self.ask(
            "initialize",
            {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client},
        )
        self.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')

    def close_stdin(self) -> None:
        self._stdin.close()

    def close_stdout(self) -> None:
        self._stdout.close()

    def ends_within(self, seconds: float) -> int:
        """The exit code of a process that must end by itself."""
        return self.process.wait(timeout=seconds)

    def end(self) -> None:
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None and not stream.closed:
                with suppress(BrokenPipeError):
                    stream.close()
        self.process.wait()
