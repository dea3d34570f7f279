"""`headrace serve` as its clients meet it: a real process, the SDK's client, raw sockets."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from tests.endpoint.over_http import HEAD_2025, INITIALIZE, call, stateless

pytestmark = pytest.mark.process

PATIENCE = 30  # seconds until a test gives up on a process


class Process:
    """A `headrace serve` that runs."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.token_file = folder / "settings" / "token"
        self.database = folder / "tasks.db"
        self._started = subprocess.Popen(
            [
                *(sys.executable, "-m", "scheduler.cli", "serve", "--http", "127.0.0.1:0"),
                *("--token-file", str(self.token_file), "--db", str(self.database), *options),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._started.stderr is not None
        self.told = "".join(self._started.stderr.readline() for _ in range(3))
        found = re.search(r"http://127\.0\.0\.1:(\d+)/mcp", self.told)
        assert found is not None, self.told + self.end().stderr
        self.url, self.port = found[0], int(found[1])
        self.token = self.token_file.read_text().strip()

    def end(self, number: signal.Signals = signal.SIGTERM) -> subprocess.CompletedProcess[str]:
        """Send it a signal, and wait for its end."""
        self._started.send_signal(number)
        out, err = self._started.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess([], self._started.returncode, out, err)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def send(self, body: object, method: str = "POST", **headers: str) -> socket.socket:
        """Send a request on a connection of its own, without listening for the answer."""
        content = b"" if body is None else json.dumps(body).encode()
        head = {
            "Host": f"127.0.0.1:{self.port}",
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Content-Length": str(len(content)),
        }
        lines = [f"{name}: {value}" for name, value in (head | headers).items()]
        connection = self.connect()
        connection.sendall(
            "\r\n".join([f"{method} /mcp HTTP/1.1", *lines, "", ""]).encode() + content
        )
        return connection

    def open_session(self) -> dict[str, str]:
        """Make a session of the older era; the headers that name it."""
        with self.send(INITIALIZE) as connection:
            found = re.search(rb"mcp-session-id: (\w+)", connection.recv(65_536))
        assert found is not None
        return HEAD_2025 | {"Mcp-Session-Id": found[1].decode()}


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Process]:
    process = Process(folder, *options)
    try:
        yield process
    finally:
        if process._started.poll() is None:
            process.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with running(tmp_path_factory.mktemp("served")) as process:
        yield process


def with_client(served: Process, backend: str, mode: Any, talk: Callable[[Client], Any]) -> None:
    """Let `talk` speak with the server through the SDK's client."""

    async def main() -> None:
        headers = {"Authorization": f"Bearer {served.token}"}
        with anyio.fail_after(PATIENCE):
            async with create_mcp_http_client(headers=headers) as http:
                transport = streamable_http_client(served.url, http_client=http)
                async with Client(transport, mode=mode) as client:
                    await talk(client)

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28", "auto"])
def test_the_sdks_client_does_a_task(served: Process, backend: str, mode: str) -> None:
    """In both eras, from the list of tools to the result."""

    async def talk(client: Client) -> None:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert names[0] == "task_enqueue" and len(names) == 12
        lane = f"{backend}-{mode}"
        made = await structured(client, "task_enqueue", description="Build", agent_type=lane)
        got = await structured(client, "task_claim", agent="anna", agent_types=[lane])
        claim = got["claims"][0]
        assert claim["task"]["task_id"] == made["task_id"]
        ended = await structured(
            client,
            "task_complete",
            task_id=made["task_id"],
            lease_token=claim["lease_token"],
            result={"ok": True},
        )
        assert ended["status"] == "completed"

    with_client(served, backend, mode, talk)


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_many_calls_at_a_time_on_one_session(served: Process, backend: str) -> None:
    """A call that waits holds up no other; each hears its own answer."""

    async def talk(client: Client) -> None:
        lane = f"many-{backend}"
        found: list[Any] = []

        async def claim() -> None:
            found.append(
                await structured(
                    client, "task_claim", agent="ben", agent_types=[lane], wait_seconds=20
                )
            )

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(claim)
            for number in range(5):
                await structured(client, "task_enqueue", description=f"{number}", agent_type=lane)
        assert {len(answer["claims"]) for answer in found} == {1}
        assert len({answer["claims"][0]["task"]["task_id"] for answer in found}) == 5

    with_client(served, backend, "legacy", talk)


def test_the_token_is_made_for_its_owner_alone(served: Process) -> None:
    """And the server says where it is, not what it is."""
    assert stat.S_IMODE(served.token_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(served.token_file.parent.stat().st_mode) == 0o700
    assert str(served.token_file) in served.told
    assert served.token not in served.told
    assert len(served.token) >= 43


@pytest.mark.parametrize("era", ["session", "stateless"])
def test_what_a_client_that_has_gone_would_have_claimed_goes_to_another(
    served: Process, era: str
) -> None:
    """At once: the task is not held for the length of a lease."""
    arguments = {"agent": "gone", "agent_types": [era], "wait_seconds": 50}
    body, headers = waiting_claim(served, era, arguments)
    connection = served.send(body, **headers)
    time.sleep(0.2)  # it must have begun to wait; there is no sign of it on the wire
    connection.close()

    async def talk(client: Client) -> None:
        await anyio.sleep(0.2)  # for the kernel to tell the server
        await structured(client, "task_enqueue", description="Left", agent_type=era)
        got = await structured(client, "task_claim", agent="anna", agent_types=[era])
        assert len(got["claims"]) == 1

    with_client(served, "trio", "legacy", talk)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    """Within 2 s, with open event streams, calls that wait and silent clients; it starts again."""
    with running(tmp_path) as served:
        session = served.open_session()
        streams = [served.send(None, "GET", **session)]
        assert b"text/event-stream" in streams[0].recv(65_536)
        for era in ("session", "stateless"):
            body, headers = waiting_claim(served, era, {"agent": "anna", "wait_seconds": 50})
            streams.append(served.send(body, **headers))
        streams.append(served.connect())
        time.sleep(0.3)
        begun = time.monotonic()
        ended = served.end(number)
        assert time.monotonic() - begun < 2
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
        for stream in streams:
            stream.close()
        token = served.token
    with running(tmp_path) as again:
        assert again.token == token and "made just now" not in again.told
        assert again.end().returncode == 0


def test_it_does_not_start_where_it_should_not(tmp_path: Path) -> None:
    """Each refusal says how to mend it, and leaves nothing behind."""
    open_token = tmp_path / "open"
    open_token.write_text("x" * 43)
    open_token.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for options, hint in (
            (["--token-file", str(open_token)], "chmod 600"),
            (["--http", "0.0.0.0:8787"], "--allow-remote"),
            (["--http", "0.0.0.0:8787", "--allow-remote"], "--allow-host"),
            (["--http", f"127.0.0.1:{port}"], "choose another port"),
            (["--allow-origin", "*"], "scheme://host"),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "scheduler.cli", "serve", *options],
                env=os.environ | {"HOME": str(tmp_path), "HEADRACE_DB": str(tmp_path / "no.db")},
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
            assert done.returncode == 2
            assert hint in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "no.db").exists()


def waiting_claim(
    served: Process, era: str, arguments: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """A claim that waits, as body and headers."""
    if era == "session":
        body, headers = call("task_claim"), served.open_session()
    else:
        body, headers = stateless("task_claim")
    body["params"]["arguments"] = arguments
    return body, headers


async def structured(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured answer of a call, which must not be an error."""
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer
    body = answer.structured_content
    assert isinstance(body, dict)
    return body
