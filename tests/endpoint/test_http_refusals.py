"""What those are told who may not come in over HTTP; `http_table` has who may."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.endpoint.over_http import INITIALIZE, PAGE, Answer, Served, serving


async def ask(served: Served, **difference: Any) -> Answer:
    """Send what would be let in, but for the difference."""
    known = {"port": served.place.port, "token": served.token}
    for name, value in difference.items():
        if isinstance(value, str):
            difference[name] = value.format(**known)
    return await served.ask(served.request(**{"body": INITIALIZE} | difference))


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
