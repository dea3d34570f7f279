"""One connection over HTTP: HTTP/1.1 alone, one request after another, until either side goes."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from scheduler.endpoint.http import application, connection, connections
from tests.endpoint.over_http import (
    INITIALIZE,
    PATIENCE,
    Waiting,
    call,
    server_of,
    serving,
    stateless,
)

H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.mark.parametrize("before", ["", "first", "pipelined"])
async def test_http_2_is_not_spoken(tmp_path: Path, before: str) -> None:
    """Neither at the beginning nor after a request: an answer of HTTP/1.1, and the end."""
    async with serving(tmp_path) as served:
        first, preface = served.request(INITIALIZE), H2_PREFACE + b"\0\0\0\4\0\0\0\0\0"
        stream = await served.connect()
        if before == "first":
            assert (await served.ask(first, stream)).status == 200
        with trio.fail_after(PATIENCE):
            await stream.send_all(first + preface if before == "pipelined" else preface)
            told = await _all_of(stream)
        assert told.count(b"HTTP/1.1 ") == (2 if before == "pipelined" else 1)
        assert told[told.rindex(b"HTTP/1.1 ") :].startswith(b"HTTP/1.1 505 ")


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "h2c, websocket", "TLS/1.0"])
async def test_no_other_protocol_is_switched_to(tmp_path: Path, protocol: str) -> None:
    """The request is answered as one without the wish: refused without a token, or else served."""
    wish: dict[str, Any] = {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": protocol,
        "HTTP2_Settings": "AAMAAABkAAQAoAAAAAIAAAAA",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    async with serving(tmp_path) as served:
        bare: dict[str, Any] = {"method": "GET", "without": ("Authorization", "Content-Length")}
        assert (await served.ask(served.request(**bare, **wish))).status == 401
        stream = await served.connect()
        for _ in range(2):
            assert (await served.ask(served.request(INITIALIZE, **wish), stream)).status == 200
        session = await served.open_session()
        listening: dict[str, Any] = {"method": "GET", "without": ("Content-Length",)}
        answer = await served.ask(served.request(**listening, **wish, **session))
        assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("era", ["session", "stateless"])
@pytest.mark.parametrize("together", [True, False])
async def test_who_leaves_with_a_request_behind_the_one_that_waits_is_noticed(
    tmp_path: Path, era: str, together: bool
) -> None:
    """What comes before its turn does not hide that the client has gone."""
    waiting = Waiting()
    async with serving(tmp_path, server_of(waiting)) as served:
        body, headers = (
            (call("task_claim"), await served.open_session())
            if era == "session"
            else stateless("task_claim")
        )
        stream = await served.connect()
        request = served.request(body, **headers)
        await stream.send_all(request * 2 if together else request)
        with trio.fail_after(PATIENCE):
            await waiting.begun.wait()
            if not together:
                await stream.send_all(request)
            await stream.aclose()
            await waiting.cancelled.wait()


@pytest.mark.parametrize("era", ["session", "stateless"])
async def test_requests_that_come_before_their_turn_are_answered_in_order(
    tmp_path: Path, era: str
) -> None:
    """Whole or in parts, and the connection is good for more."""
    waiting = Waiting()
    async with serving(tmp_path, server_of(waiting)) as served:
        session = await served.open_session()
        stream = await served.connect()
        requests = b""
        for number, tool in enumerate(["short", "echo", "echo", "echo"]):
            body, headers = (call(tool), session) if era == "session" else stateless(tool)
            requests += served.request(body | {"id": number}, **headers)
        with trio.fail_after(PATIENCE):
            await stream.send_all(requests[:-300])
            await waiting.begun.wait()
            await stream.send_all(requests[-300:-50])
            waiting.allowed.set()
            await stream.send_all(requests[-50:])
            told = b""
            while len(found := re.findall(rb'"id": ?(\d)', told)) < 4 or not told.endswith(b"}"):
                told += await stream.receive_some()
        assert found == [b"0", b"1", b"2", b"3"]
        body, headers = stateless("echo")
        assert (await served.ask(served.request(body, **headers), stream)).status == 200


async def test_a_large_request_just_before_its_turn_is_answered(tmp_path: Path) -> None:
    """A client that has the whole answer may be quicker than the server in putting it down."""
    waiting = Waiting()
    async with serving(tmp_path, server_of(waiting)) as served:
        short, head = stateless("short")
        large, large_head = stateless("echo")
        large["params"]["arguments"] = {"text": "x" * 300_000}
        requests = served.request(short, **head) + served.request(large | {"id": 2}, **large_head)
        stream = await served.connect()
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.send_all, requests)
                await waiting.begun.wait()
                await trio.testing.wait_all_tasks_blocked(0.05)
                waiting.allowed.set()
            told = b""
            while len(found := re.findall(rb'"id": ?(\d)', told)) < 2 or not told.endswith(b"}"):
                told += await stream.receive_some()
        assert found == [b"1", b"2"]


async def test_who_sends_on_and_on_before_the_answer_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the call that is waited for ends as if its client had gone, for so it will have."""
    monkeypatch.setattr(connection, "SOON", 0.05)
    waiting = Waiting()
    async with serving(tmp_path, server_of(waiting)) as served:
        body, headers = stateless("task_claim")
        stream = await served.connect()
        with trio.fail_after(PATIENCE):
            await stream.send_all(served.request(body, **headers))
            await waiting.begun.wait()
            with suppress(trio.BrokenResourceError):
                await stream.send_all(b"x" * 2_000_000)
            await waiting.cancelled.wait()
            assert await _receive(stream) == b""


class _Talker(application.Application):
    """Answers everybody at once, in many small parts."""

    def __init__(self) -> None:
        pass

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(200):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def close(self) -> None:
        pass


async def test_an_answer_that_meets_the_end_of_its_connection_is_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What the client sends may end the connection at any moment of the answer."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connections.Connections(_Talker()).serve, listeners, stop)
        for _ in range(30):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            with trio.fail_after(PATIENCE):
                await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\n")
                await stream.send_all(b"Transfer-Encoding: chunked\r\n\r\n")
                await stream.receive_some()
                await stream.send_all(b"no length\r\n")
                while await _receive(stream):
                    pass
            await stream.aclose()
        stop.set()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("era", ["session", "stateless"])
@pytest.mark.parametrize("streams", [True, False])
async def test_a_connection_serves_one_request_after_another(
    tmp_path: Path, era: str, streams: bool
) -> None:
    """Also when the answers are streams of events."""
    async with serving(tmp_path, streams=streams) as served:
        session = await served.open_session()
        body, headers = (call("echo"), session) if era == "session" else stateless("echo")
        stream = await served.connect()
        for _ in range(3):
            await stream.send_all(served.request(body, **headers))
            with trio.fail_after(PATIENCE):
                raw = b""
                while b'"done"' not in raw or not raw.endswith((b"\r\n0\r\n\r\n", b"}")):
                    raw += await stream.receive_some()


async def _all_of(stream: trio.SocketStream) -> bytes:
    told = b""
    while data := await stream.receive_some():
        told += data
    return told


async def _receive(stream: trio.SocketStream) -> bytes:
    try:
        return bytes(await stream.receive_some(1_000_000))
    except trio.BrokenResourceError:
        return b""
