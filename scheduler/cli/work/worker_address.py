"""The address of the server that a worker works for, and the token that it may be shown."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import httpx2
import msgspec

from scheduler.domain.errors import InvalidRequest
from scheduler.endpoint.http.tokens import default_path

SHOWN = 200  # characters of a wrong address


class Address(msgspec.Struct, frozen=True):
    """Where the server is, and where its token lies.

    `exposed`: other machines are on the way, and nothing is encrypted.
    """

    url: str
    token_file: Path
    exposed: bool


def read_address(url: str, token_file: Path | None) -> Address:
    """The address in `--url` with the token to show there.

    Without a `token_file` it is the user's own, for servers of this machine alone. Raises
    InvalidRequest for anything else.
    """
    parsed = _parsed(url)
    local = _is_local(parsed.host)
    if token_file is None and not local:
        raise InvalidRequest(
            "your own token is for servers of this machine, and this is another one's address",
            field="--token-file",
            received=url[:SHOWN],
            hint="Name a file that holds that server's token with --token-file.",
        )
    exposed = parsed.scheme == "http" and not local
    return Address(url, token_file or default_path(), exposed)


def _parsed(url: str) -> httpx2.URL:
    """By the parser of whoever sends the requests, so that both see the same host."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        raise _wrong(url) from None
    if parsed.scheme not in ("http", "https") or not parsed.host or (parsed.port or 0) > 65_535:
        raise _wrong(url)
    if parsed.userinfo:
        raise _wrong(url, "It has no place for a name or a password: use --token-file.")
    return parsed


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _wrong(
    url: str, hint: str = "`headrace serve` prints its address when it starts."
) -> InvalidRequest:
    return InvalidRequest(
        "this is no address of a server",
        field="--url",
        received=url[:SHOWN],
        allowed="http://HOST:PORT/mcp, or https",
        hint=hint,
    )
