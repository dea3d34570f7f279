"""Why a server gave no answer, told so that whoever wrote the address can mend it."""

from __future__ import annotations

import httpx2
from mcp import MCPError

from scheduler.domain.errors import StoreUnavailable
from scheduler.endpoint.http.refusals import PATH, REFUSED

SAID = 500  # characters of what a server or the system says


def no_answer(url: str, token_file: str, error: Exception | None) -> StoreUnavailable:
    """The error for a call that failed so; None: the answer was none of headrace's."""
    if isinstance(error, MCPError) and str(error) == REFUSED:
        return StoreUnavailable(
            f"the server refuses: {REFUSED}",
            field="--token-file",
            received=token_file,
            outcome="unknown",
            hint="`headrace serve` says at its start in which file its token is.",
        )
    what = "refuses" if isinstance(error, MCPError) else "does not answer"
    return StoreUnavailable(
        f"the server {what}: {_said(url, error)[:SAID]}",
        field="--url",
        received=url,
        outcome="unknown",
        hint=_hint(url, error),
    )


def _said(url: str, error: Exception | None) -> str:
    if error is None:
        return "it is no headrace"
    if _is_about_tls(url, error):
        return "no encrypted connection comes about"
    return str(error) or type(error).__name__


def _hint(url: str, error: Exception | None) -> str:
    if _is_about_tls(url, error):
        return "Is there TLS, with a trusted certificate? `headrace serve` itself speaks http://."
    parsed = httpx2.URL(url)
    if isinstance(error, MCPError) and parsed.path != PATH:
        return f"The address ends in {PATH}: {parsed.copy_with(path=PATH)}"
    return "See whether `headrace serve` runs there, and whether --token-file is its token."


def _is_about_tls(url: str, error: Exception | None) -> bool:
    """Of a failed handshake nothing is told, unlike of a port where nobody is."""
    return isinstance(error, httpx2.ConnectError) and not str(error) and url[:6] == "https:"
