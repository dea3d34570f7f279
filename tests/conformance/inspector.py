"""The command line of MCP's inspector, against headrace itself over stdio and HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conformance.report import Report

PATIENCE = 30  # seconds for one call
HEADRACE = [sys.executable, "-m", "scheduler.cli"]


def run_inspector(inspector: list[str], report: Report) -> None:
    """The life of a task, the resources and the prompts, over both transports."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)  # it writes there
        started = [*inspector, *HEADRACE, "mcp", "--db", str(home / "stdio.db")]
        _Inspector(started, home, "stdio", report).run()
        with _served(home) as (url, token):
            bearer = ["--header", f"Authorization: Bearer {token}"]
            reached = [*inspector, url, "--transport", "http", *bearer]
            _Inspector(reached, home, "HTTP", report).run()


class _Inspector:
    def __init__(self, command: list[str], home: Path, transport: str, report: Report) -> None:
        self._command = command
        self._environment = os.environ | {"HOME": str(home)}
        self._transport = transport
        self._report = report

    def run(self) -> None:
        try:
            self._run()
        except (AssertionError, LookupError, TypeError, ValueError) as error:
            self._report.add(f"inspector, {self._transport}", "failed", repr(error)[:300])

    def _run(self) -> None:
        tools = self._ask("tools/list")["tools"]
        self._check("tools/list", len(tools) == 12)
        self._ask("tools/list", "--strict")
        self._check("schemas that every client takes", True)
        task = self._tool("task_enqueue", description="Build", base_priority="7")["task_id"]
        claim = self._tool("task_claim", agent="inspector")["claims"][0]
        self._check("what is queued is claimed", claim["task"]["task_id"] == task)
        ended = self._tool("task_complete", task_id=task, lease_token=claim["lease_token"])
        self._check("what is claimed is completed", ended["status"] == "completed")
        refused = self._call("tools/call", "--tool-name", "task_get", "--tool-arg", "task_id=no")
        self._check("an error of a tool is its answer", "tool_is_error" in refused.stderr)
        status = self._ask("resources/read", "--uri", "queue://status")["contents"][0]
        self._check("resources/read", json.loads(status["text"])["completed"] == 1)
        self._check("resources/list", bool(self._ask("resources/list")["resources"]))
        templates = self._ask("resources/templates/list")["resourceTemplates"]
        self._check("resources/templates/list", bool(templates))
        self._check("prompts/list", len(self._ask("prompts/list")["prompts"]) == 3)
        named = ("--prompt-name", "plan-work", "--prompt-args", "goal=Release")
        prompt = self._ask("prompts/get", *named)["messages"][0]["content"]["text"]
        self._check("prompts/get", "Release" in prompt)

    def _check(self, what: str, holds: bool) -> None:
        self._report.add(f"inspector, {self._transport}: {what}", "passed" if holds else "failed")

    def _tool(self, name: str, **arguments: str) -> dict[str, Any]:
        given = [word for pair in arguments.items() for word in ("--tool-arg", "=".join(pair))]
        answer = self._ask("tools/call", "--tool-name", name, *given)
        body = answer["structuredContent"]
        assert json.loads(answer["content"][0]["text"]) == body
        assert isinstance(body, dict)
        return body

    def _ask(self, method: str, *words: str) -> dict[str, Any]:
        done = self._call(method, *words)
        if done.returncode != 0:
            raise ValueError(f"{method}: {(done.stderr or done.stdout).strip()[-200:]}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def _call(self, method: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._command, "--method", method, *words],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )


@contextmanager
def _served(folder: Path) -> Iterator[tuple[str, str]]:
    """The address and the token of a `headrace serve`, while it runs."""
    token, database = folder / "token", folder / "http.db"
    options = ["--http", "127.0.0.1:0", "--token-file", str(token), "--db", str(database)]
    process = subprocess.Popen(
        [*HEADRACE, "serve", *options],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found is not None
        yield found[0], token.read_text().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
