"""Where a worker may work, and to whom the user's token is shown."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from scheduler.cli.work.worker_address import read_address
from scheduler.domain.errors import InvalidRequest
from scheduler.endpoint.http.tokens import default_path
from tests.cli.conftest import Command

WORK = ("work", "--agent-type", "x", "--exec", "true", "--json")


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8787/mcp",
        "ftp://localhost/mcp",
        "http://[::1/mcp",
        "http://\u202elocalhost/mcp",
        "http://localhost/\x1b[31m",
        "http://localhost:99999/mcp",
        "http:///mcp",
        "http://127.0.0.1:8787@example.org/mcp",
        "",
    ],
)
def test_what_is_no_address(url: str) -> None:
    """Is refused before anything is sent, and so is one that holds a name and a password."""
    with pytest.raises(InvalidRequest) as caught:
        read_address(url, Path("token"))
    assert caught.value.field == "--url"


@pytest.mark.parametrize("url", ["http://[::1/mcp", "http://\u202elocalhost/mcp"])
def test_a_mistake_in_the_address(here: Command, url: str) -> None:
    """Is told as one."""
    assert here(*WORK, "--url", url, code=2).events[-1]["error"]["field"] == "--url"


@pytest.mark.parametrize("host", ["127.0.0.1:8787", "localhost", "[::1]:80", "127.9.9.9"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_own_token_stays_here(scheme: str, host: str) -> None:
    """It is shown to servers of this machine, where nothing need be encrypted."""
    address = read_address(f"{scheme}://{host}/mcp", None)
    assert address.token_file == default_path()
    assert not address.exposed


@pytest.mark.parametrize("host", ["example.org", "10.0.0.1", "localhost.example.org", "0.0.0.0"])
def test_other_machines_get_the_token_that_is_named(host: str) -> None:
    """And none else; without TLS everybody on the way gets it too."""
    with pytest.raises(InvalidRequest) as caught:
        read_address(f"https://{host}/mcp", None)
    assert caught.value.field == "--token-file"
    assert not read_address(f"https://{host}/mcp", Path("t")).exposed
    assert read_address(f"http://{host}/mcp", Path("t")).exposed


def test_a_token_in_the_clear(here: Command, tmp_path: Path) -> None:
    """Is warned of. (This address leads back to this machine, but need not do so.)"""
    (tmp_path / "token").write_text("t" * 32)
    remote = here(*WORK, "--url", "http://0.0.0.0:1/mcp", "--token-file", "token", code=5)
    assert "not encrypted" in remote.err
    local = here(*WORK, "--url", "http://127.0.0.1:1/mcp", "--token-file", "token", code=5)
    assert local.err == ""


def test_a_proxy_from_the_environment(here: Command, tmp_path: Path) -> None:
    """Hears nothing: it would read the token."""
    (tmp_path / "token").write_text("t" * 32)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        environment = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), url)
        here(
            *(*WORK, "--url", "http://127.0.0.1:1/mcp", "--token-file", "token"),
            code=5,
            **environment,
            NO_PROXY="",
            no_proxy="",
        )
        with pytest.raises(BlockingIOError):
            proxy.accept()
