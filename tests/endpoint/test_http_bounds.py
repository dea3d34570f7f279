"""What one client over HTTP can take from the others: a bounded part of everything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from scheduler.endpoint.http import connection, connections
from tests.endpoint.over_http import (
    INITIALIZE,
    PATIENCE,
    Waiting,
    call,
    hear,
    server_of,
    serving,
    stateless,
)


@pytest.mark.parametrize(("shown", "status"), [({}, 413), ({"Authorization": "Bearer x"}, 401)])
@pytest.mark.parametrize("size", [5_000_000, 40_000_000])
async def test_a_large_body_is_refused_and_the_client_hears_it(
    tmp_path: Path, shown: dict[str, Any], status: int, size: int
) -> None:
    """Also one that sends all of it before it listens; and the server goes on."""
    async with serving(tmp_path) as served:
        with trio.fail_after(PATIENCE):
            stream = await served.connect()
            head = served.request(**{"Content_Length": str(size)} | shown)
            await stream.send_all(head + b" " * size)
            assert (await hear(stream)).status == status
        assert (await served.ask(served.request(INITIALIZE))).status == 200


async def test_a_body_whose_end_never_comes_is_not_looked_at(tmp_path: Path) -> None:
    """Though what has come may be a whole call."""
    waiting = Waiting()
    async with serving(tmp_path, server_of(waiting)) as served:
        body, headers = stateless("task_enqueue")
        length = str(len(json.dumps(body)) + 1)
        stream = await served.connect()
        await stream.send_all(served.request(body, **headers | {"Content_Length": length}))
        await stream.aclose()
        await served.open_session()
        assert not waiting.begun.is_set()


async def test_too_many_connections_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were there go on, and there is room again when one goes."""
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)
    async with serving(tmp_path) as served:
        first, second = await served.connect(), await served.connect()
        for stream in (first, second):
            assert (await served.ask(served.request(INITIALIZE), stream)).status == 200
        with trio.fail_after(PATIENCE):
            assert await (await served.connect()).receive_some() == b""
            assert (await served.ask(served.request(INITIALIZE), second)).status == 200
            await first.aclose()
            while not await _is_served(served):
                await trio.sleep(0.01)


async def test_too_many_sessions_are_refused(tmp_path: Path) -> None:
    """Until one is ended; calls without a session are not counted."""
    async with serving(tmp_path, max_sessions=2) as served:
        first, second = await served.open_session(), await served.open_session()
        assert (await served.ask(served.request(INITIALIZE))).status == 503
        body, headers = stateless("echo")
        assert (await served.ask(served.request(body, **headers))).status == 200
        assert (await served.ask(served.request(call("echo"), **second))).status == 200
        assert (await served.ask(served.request(method="DELETE", **first))).status == 200
        assert (await served.ask(served.request(call("echo"), **first))).status == 404
        await served.open_session()


async def test_a_silent_session_ends(tmp_path: Path) -> None:
    """But not while a call of it is under way."""
    waiting = Waiting()
    async with serving(tmp_path, server_of(waiting), session_idle=0.1) as served:
        idle, busy = await served.open_session(), await served.open_session()
        stream = await served.connect()
        await stream.send_all(served.request(call("task_claim"), **busy))
        with trio.fail_after(PATIENCE):
            await trio.sleep(0.3)
            assert (await served.ask(served.request(call("echo"), **idle))).status == 404
            assert not waiting.cancelled.is_set()
            waiting.allowed.set()
            assert (await hear(stream)).status == 200


async def test_a_client_that_takes_nothing_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others are served meanwhile, and the end is not held up by it."""
    monkeypatch.setattr(connection, "WRITE_TIME", 0.3)
    server = server_of(Waiting(), text="x" * 30_000_000)
    async with serving(tmp_path, server) as served:
        body, headers = stateless("echo")
        stream = await served.connect()
        await stream.send_all(served.request(body, **headers))
        assert (await served.ask(served.request(INITIALIZE))).status == 200
        with trio.fail_after(PATIENCE):
            await trio.sleep(0.5)
            taken = 0
            while data := await _receive(stream):
                taken += len(data)
            assert taken < 30_000_000


@pytest.mark.parametrize("era", ["session", "stateless"])
async def test_the_end_is_not_held_up(tmp_path: Path, era: str) -> None:
    """By a call that waits, an open event stream, one who takes nothing, and a silent client."""
    waiting = Waiting()
    async with serving(tmp_path, server_of(waiting, text="x" * 30_000_000)) as served:
        session = await served.open_session()
        body, headers = (
            (call("task_claim"), session) if era == "session" else stateless("task_claim")
        )
        stream = await served.connect()
        await stream.send_all(served.request(body, **headers))
        listening = await served.connect()
        await listening.send_all(served.request(method="GET", **session))
        assert (await hear(listening)).headers["content-type"].startswith("text/event-stream")
        greedy = await served.connect()
        body, headers = stateless("echo")
        await greedy.send_all(served.request(body, **headers))
        await served.connect()
        with trio.fail_after(PATIENCE):
            await waiting.begun.wait()
        with trio.fail_after(2):
            served.stop.set()
            await served.ended.wait()
        assert waiting.cancelled.is_set()


async def test_a_short_call_ends_before_the_end(tmp_path: Path) -> None:
    """Who is being answered when the end comes still hears the answer."""
    waiting = Waiting()
    async with serving(tmp_path, server_of(waiting)) as served:
        body, headers = stateless("short")
        stream = await served.connect()
        await stream.send_all(served.request(body, **headers))
        with trio.fail_after(PATIENCE):
            await waiting.begun.wait()
            served.stop.set()
            waiting.allowed.set()
            assert (await hear(stream)).status == 200


@pytest.mark.parametrize(
    ("tool", "era", "ends"),
    [
        ("task_claim", "session", True),
        ("task_wait", "session", True),
        ("task_enqueue", "session", False),
        ("task_claim", "stateless", True),
        ("task_enqueue", "stateless", True),
    ],
)
async def test_a_call_whose_client_goes_away(
    tmp_path: Path, tool: str, era: str, ends: bool
) -> None:
    """Ends at once if it only waits, or if going away is how a call is withdrawn."""
    waiting = Waiting()
    async with serving(tmp_path, server_of(waiting)) as served:
        body, headers = (
            (call(tool), await served.open_session()) if era == "session" else stateless(tool)
        )
        stream = await served.connect()
        await stream.send_all(served.request(body, **headers))
        with trio.fail_after(PATIENCE):
            await waiting.begun.wait()
            await stream.aclose()
            if ends:
                await waiting.cancelled.wait()
            else:
                await trio.sleep(0.1)
                assert not waiting.cancelled.is_set()
                waiting.allowed.set()
        if era == "session":
            again = served.request(call("echo", 2), **headers)
            assert (await served.ask(again)).status == 200


async def _is_served(served: Any) -> bool:
    stream = await served.connect()
    with trio.move_on_after(PATIENCE):
        await stream.send_all(served.request(INITIALIZE))
        return bool(await _receive(stream))
    return False


async def _receive(stream: trio.SocketStream) -> bytes:
    try:
        return bytes(await stream.receive_some(1_000_000))
    except trio.BrokenResourceError:
        return b""
