"""Who may come in over HTTP, and what the others are told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.endpoint.over_http import INITIALIZE, PAGE, PATIENCE, Answer, Served, serving

# What is different from a request that is let in, and the status of the answer.
REFUSED: Mapping[str, tuple[dict[str, Any], int]] = {
    "another path": ({"path": "/"}, 404),
    "a longer path": ({"path": "/mcp/"}, 404),
    "a path above": ({"path": "/mcp/../mcp"}, 404),
    "a whole address as path": ({"path": "http://evil.example/mcp"}, 404),
    "what clients ask before OAuth": ({"path": "/.well-known/oauth-protected-resource"}, 404),
    "a foreign Host": ({"Host": "evil.example"}, 421),
    "a foreign Host with our port": ({"Host": "evil.example:{port}"}, 421),
    "our Host with another port": ({"Host": "127.0.0.1:1"}, 421),
    "our Host without the port": ({"Host": "127.0.0.1"}, 421),
    "our Host as a prefix": ({"Host": "127.0.0.1.evil.example:{port}"}, 421),
    "another loopback address": ({"Host": "127.0.0.2:{port}"}, 421),
    "an empty Host": ({"Host": ""}, 421),
    "no Host": ({"without": ("Host",), "version": "1.0"}, 421),
    "a foreign Origin": ({"Origin": "https://evil.example"}, 403),
    "the Origin of a sandboxed page": ({"Origin": "null"}, 403),
    "an empty Origin": ({"Origin": ""}, 403),
    "another server on this machine": ({"Origin": "http://localhost:3000"}, 403),
    "our own address as Origin": ({"Origin": "http://127.0.0.1:{port}"}, 403),
    "an Origin that begins as ours": ({"Origin": PAGE + ".evil.example"}, 403),
    "an Origin with a port more": ({"Origin": PAGE + ":8443"}, 403),
    "no token": ({"without": ("Authorization",)}, 401),
    "an empty token": ({"Authorization": "Bearer "}, 401),
    "a wrong token": ({"Authorization": "Bearer " + "x" * 43}, 401),
    "a token that is not ASCII": ({"Authorization": "Bearer \xff\xfe"}, 401),
    "another scheme": ({"Authorization": "Basic {token}"}, 401),
    "the token alone": ({"Authorization": "{token}"}, 401),
    "more than the token": ({"Authorization": "Bearer {token}x"}, 401),
    "two tokens": ({"Authorization": "Bearer {token}", "authorization": "Bearer x"}, 401),
    "OPTIONS": ({"method": "OPTIONS"}, 405),
    "PUT": ({"method": "PUT"}, 405),
    "HEAD": ({"method": "HEAD"}, 405),
    "TRACE": ({"method": "TRACE"}, 405),
    "text/plain, as a form can send": ({"Content_Type": "text/plain"}, 415),
    "a form": ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    "something like JSON": ({"Content_Type": "application/jsonp"}, 415),
    "no content type": ({"without": ("Content-Type",)}, 415),
    "an answer that only HTML could have": ({"Accept": "text/html"}, 406),
    "a session that is not": ({"Mcp_Session_Id": "0" * 32}, 404),
    "a version of the protocol that is not": ({"MCP_Protocol_Version": "1999-01-01"}, 400),
    "no JSON": ({"body": b"{"}, 400),
    "nothing at all": ({"body": b""}, 400),
    "no object": ({"body": b"[]"}, 400),
    "no JSON-RPC": ({"body": b'{"id": 1}'}, 400),
    "endless nesting": ({"body": b"[" * 100_000}, 400),
    "a call outside a session": (
        {"body": {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}},
        400,
    ),
    "the era without sessions, without its envelope": (
        {
            "body": {"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
            "MCP_Protocol_Version": "2026-07-28",
        },
        400,
    ),
}


async def ask(served: Served, **difference: Any) -> Answer:
    """Send what would be let in, but for the difference."""
    known = {"port": served.place.port, "token": served.token}
    for name, value in difference.items():
        if isinstance(value, str):
            difference[name] = value.format(**known)
    return await served.ask(served.request(**{"body": INITIALIZE} | difference))


async def test_every_wrong_request_is_refused_and_told_why(tmp_path: Path) -> None:
    """Each with the status that HTTP has for it; none leaves a session or names a path of ours."""
    async with serving(tmp_path, max_sessions=1) as served:
        for name, (difference, status) in REFUSED.items():
            answer = await ask(served, Connection="close", **difference)
            assert answer.status == status, (name, answer.body)
            assert str(tmp_path).encode() not in answer.body
            assert not any(header.startswith("access-control") for header in answer.headers)
        await served.open_session()


@pytest.mark.parametrize(
    "difference",
    [
        {},
        {"Host": "LOCALHOST:{port}"},
        {"Origin": PAGE},
        {"Authorization": "bearer {token}"},
        {"Content_Type": "application/json; charset=utf-8"},
    ],
)
async def test_what_is_right_is_let_in(tmp_path: Path, difference: dict[str, Any]) -> None:
    """Names of hosts and schemes have no case."""
    async with serving(tmp_path) as served:
        answer = await ask(served, **difference)
        assert answer.status == 200, answer.body
        assert answer.json["result"]["serverInfo"]["name"] == "test"


async def test_a_refusal_says_what_would_be_let_in(tmp_path: Path) -> None:
    """The scheme for 401, the methods for 405, an error of JSON-RPC for a reader of the body."""
    async with serving(tmp_path) as served:
        missing = await ask(served, without=("Authorization",))
        wrong = await ask(served, Authorization="Bearer x")
        assert missing.headers["www-authenticate"] == 'Bearer realm="headrace"'
        assert wrong.headers["www-authenticate"].endswith('error="invalid_token"')
        assert missing.json["error"]["code"] == -32600 and missing.json["id"] is None
        assert (await ask(served, method="PUT")).headers["allow"] == "GET, POST, DELETE"


async def test_a_replaced_token_counts_at_once(tmp_path: Path) -> None:
    """Without a restart; the old one is worth nothing, also in a session that it opened."""
    async with serving(tmp_path) as served:
        session = await served.open_session()
        old = f"Bearer {served.token}"
        new = tmp_path / "new"
        new.touch(mode=0o600)
        new.write_text("n" * 40)
        os.replace(new, served.tokens.path)
        assert (await ask(served, Authorization=old)).status == 401
        assert (await ask(served, Authorization=old, **session)).status == 401
        assert (await ask(served)).status == 200


@pytest.mark.parametrize("trouble", ["mode", "gone", "empty"])
async def test_without_a_sound_token_file_nobody_is_let_in(tmp_path: Path, trouble: str) -> None:
    """Not even with the token that was in it; and everybody again once it is mended."""
    async with serving(tmp_path) as served:
        request, path, text = served.request(INITIALIZE), served.tokens.path, served.token
        match trouble:
            case "mode":
                path.chmod(0o644)
            case "gone":
                path.unlink()
            case "empty":
                path.write_text("")
        answer = await served.ask(request)
        assert answer.status == 503
        assert text.encode() not in answer.body
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(text)
        assert (await served.ask(request)).status == 200


async def test_a_page_that_is_let_in_may_ask_first_and_read_the_answer(tmp_path: Path) -> None:
    """Browsers ask without the token; other pages are told nothing."""
    asks = {
        "method": "OPTIONS",
        "body": None,
        "without": ("Authorization", "Content-Type"),
        "Access_Control_Request_Method": "POST",
        "Access_Control_Request_Headers": "authorization,content-type",
    }
    async with serving(tmp_path) as served:
        told = await ask(served, Origin=PAGE, **asks)
        assert told.status == 204
        assert told.headers["access-control-allow-origin"] == PAGE
        assert told.headers["access-control-allow-headers"] == "authorization,content-type"
        assert (await ask(served, Origin="https://evil.example", **asks)).status == 403
        assert (await ask(served, Origin=PAGE, Host="evil.example", **asks)).status == 421
        answer = await ask(served, Origin=PAGE)
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["access-control-expose-headers"] == "mcp-session-id"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",  # as TLS begins
        b"\0" * 20_000,
        b"POST /mcp HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\n" + b"X: " + b"x" * 20_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 90,
    ],
)
async def test_garbage_ends_its_own_connection_alone(
    tmp_path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a story in the log: anybody can send it."""
    async with serving(tmp_path) as served:
        stream = await served.connect()
        with trio.fail_after(PATIENCE):
            await stream.send_all(garbage)
            try:
                while await stream.receive_some():
                    pass
            except trio.BrokenResourceError:
                pass
        assert (await ask(served)).status == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
