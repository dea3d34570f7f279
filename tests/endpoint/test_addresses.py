"""Where HTTP is served, and under which names."""

from __future__ import annotations

import pytest

from scheduler.domain.errors import InvalidRequest
from scheduler.endpoint.http.addresses import Place, check_names, listen, read_place


def local(text: str) -> Place:
    return read_place(text, allow_remote=False, extra_hosts=())


@pytest.mark.parametrize(
    ("text", "url", "hosts"),
    [
        ("127.0.0.1:8787", "http://127.0.0.1:8787/mcp", ["127.0.0.1:8787", "localhost:8787"]),
        ("localhost:1", "http://127.0.0.1:1/mcp", ["127.0.0.1:1", "localhost:1"]),
        ("127.0.0.9:2", "http://127.0.0.9:2/mcp", ["127.0.0.9:2", "localhost:2"]),
        ("[::1]:3", "http://[::1]:3/mcp", ["[::1]:3", "localhost:3"]),
        (
            "127.0.0.1:80",
            "http://127.0.0.1:80/mcp",
            ["127.0.0.1:80", "localhost:80", "127.0.0.1", "localhost"],
        ),
    ],
)
def test_a_local_place(text: str, url: str, hosts: list[str]) -> None:
    """The names of this machine that mean it; without a port only where that is the usual one."""
    place = local(text)
    assert (place.url(), place.hosts()) == (url, hosts)


NO_PLACES = """
    8787 :8787 127.0.0.1 127.0.0.1: 127.0.0.1:65536 127.0.0.1:-1 ::1:80 [::1] 1.2.3:4 [::zz]:1
    example.org:80 http://127.0.0.1:80 127.0.0.1:80/x
"""


@pytest.mark.parametrize("text", ["", *NO_PLACES.split()])
def test_what_is_no_place(text: str) -> None:
    """Names are not looked up: only addresses, and localhost."""
    with pytest.raises(InvalidRequest, match="--http is wrong"):
        local(text)


@pytest.mark.parametrize("text", ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "[2001:db8::1]:80"])
def test_what_others_can_reach_is_refused(text: str) -> None:
    """Unless it is said that they may; then an address for all needs a name."""
    with pytest.raises(InvalidRequest, match="not encrypted"):
        local(text)
    place = read_place(text, allow_remote=True, extra_hosts=["box.example", "proxy.example:443"])
    assert place.hosts(["box.example", "proxy.example:443"])[-2:] == [
        "box.example",
        "proxy.example:443",
    ]
    assert "localhost:80" not in place.hosts()
    if place.address.is_unspecified:
        with pytest.raises(InvalidRequest, match="for all"):
            read_place(text, allow_remote=True, extra_hosts=())


def test_names_that_no_header_can_hold_are_refused() -> None:
    """So that a mistake shows at the start and not as a refusal of each client."""
    check_names(["box", "box.example:8787", "[::1]:1"], ["https://page.example", "http://x:3000"])
    for host in ("", "*", "http://box", "box/mcp", "a b"):
        with pytest.raises(InvalidRequest, match="--allow-host"):
            check_names([host], [])
    for origin in (
        "",
        "*",
        "null",
        "page.example",
        "https://page.example/",
        "https://Page.example",
    ):
        with pytest.raises(InvalidRequest, match="--allow-origin"):
            check_names([], [origin])


async def test_a_taken_port_is_told() -> None:
    """And port 0 becomes one that is free."""
    place, listeners = await listen(local("127.0.0.1:0"))
    assert place.port > 0
    with pytest.raises(InvalidRequest, match="cannot be had"):
        await listen(place)
    for listener in listeners:
        await listener.aclose()
