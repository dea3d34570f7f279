"""What comes in as the body of a request: a message of JSON-RPC, or an answer that it is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.endpoint.over_http import HEAD_2026, call, serving, stateless


@pytest.mark.parametrize("era", ["session", "stateless"])
@pytest.mark.parametrize(
    ("body", "code", "request_id"),
    [
        (b"{", -32700, None),
        (b"", -32700, None),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"secret-text":NaN}}', -32700, 7),
        (b"\xff\xfe", -32700, None),
        (b"[" * 100_000, -32700, None),
        (b'[{"jsonrpc":"2.0","id":7,"method":"ping"}]', -32600, None),
        (b'"secret-text"', -32600, None),
        (b'{"jsonrpc":"1.0","id":7,"method":"ping","x":"secret-text"}', -32600, 7),
        (b'{"jsonrpc":"2.0","id":"a","method":["secret-text"]}', -32600, "a"),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":["secret-text"]}', -32600, 7),
        (b'{"jsonrpc":"2.0","id":{"secret-text":1},"method":"ping"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600, None),
        (b'{"jsonrpc":"2.0","method":7}', -32600, None),
        (b'{"jsonrpc":"2.0","id":7,"error":"secret-text"}', -32600, None),
    ],
)
async def test_what_is_no_message_is_told_so_in_our_own_words(
    tmp_path: Path, era: str, body: bytes, code: int, request_id: object
) -> None:
    """With the id where it can be told, and nothing of what was sent."""
    async with serving(tmp_path) as served:
        headers = await served.open_session() if era == "session" else HEAD_2026
        answer = await served.ask(served.request(body, **headers))
        assert answer.status == 400
        assert set(answer.json) == {"jsonrpc", "id", "error"}
        assert answer.json["id"] == request_id
        assert answer.json["error"]["code"] == code
        assert set(answer.json["error"]) == {"code", "message"}
        for word in (b"secret-text", b"pydantic", b"input_value"):
            assert word not in answer.body


@pytest.mark.parametrize(("era", "status"), [("session", 200), ("stateless", 404)])
async def test_an_unknown_method_is_not_repeated(tmp_path: Path, era: str, status: int) -> None:
    """It may be any text of any length; whoever has sent it knows it."""
    async with serving(tmp_path) as served:
        body, headers = (
            (call("echo"), await served.open_session()) if era == "session" else stateless("echo")
        )
        name = "secret-text" * 10
        headers |= {"Mcp-Method": name}
        answer = await served.ask(served.request(body | {"method": name}, **headers))
        assert answer.status == status
        assert answer.json["error"] == {"code": -32601, "message": "Method not found"}


async def test_text_that_is_no_unicode_harms_no_other_call(tmp_path: Path) -> None:
    """Half of a surrogate pair, as the id of a call."""
    async with serving(tmp_path) as served:
        body, headers = stateless("echo")
        answer = await served.ask(served.request(body | {"id": "\ud800"}, **headers))
        assert b"Traceback" not in answer.body
        assert (await served.ask(served.request(body, **headers))).status == 200
