"""What a request must say of itself before its body is read, and the answer if it does not.

A web page that a user happens to visit can send requests to this machine. It cannot choose their
Host and Origin, so both are compared exactly; and it has no token.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from scheduler.domain.errors import InvalidRequest
from scheduler.endpoint.http.tokens import TokenFile

if TYPE_CHECKING:
    from mcp_types import RequestId
    from starlette.types import Scope, Send

Headers = list[tuple[bytes, bytes]]

PATH = "/mcp"
METHODS = ("GET", "POST", "DELETE")
_INVALID_REQUEST = -32600  # of JSON-RPC
REFUSED = "This is not the token: it may have been replaced; read the token file again."
_NO_TOKEN = b'Bearer realm="headrace"'
_INVALID_TOKEN = _NO_TOKEN + b', error="invalid_token"'


class Refusal(msgspec.Struct, frozen=True):
    """An HTTP status, a sentence for whoever reads it, and headers.

    As JSON-RPC it is an error with this code, in answer to this request if it can be told.
    """

    status: int
    message: str
    headers: Headers = []
    code: int = _INVALID_REQUEST
    request_id: RequestId | None = None

    def body(self) -> bytes:
        """The JSON-RPC error."""
        error = {"code": self.code, "message": self.message}
        return json.dumps({"jsonrpc": "2.0", "id": self.request_id, "error": error}).encode()


class Rules:
    """Who may come in: the exact hosts, the exact origins, and the token."""

    def __init__(
        self, tokens: TokenFile, hosts: Iterable[str], origins: Iterable[str] = ()
    ) -> None:
        self._tokens = tokens
        self._hosts = frozenset(host.lower().encode() for host in hosts)
        self._origins = frozenset(origin.encode() for origin in origins)

    def refusal(self, scope: Scope) -> Refusal | None:
        """Why this request may not come in; None if it may. Looks at the head alone."""
        headers: Headers = scope["headers"]
        return (
            _wrong_address(scope)
            or self._wrong_host(headers)
            or self._wrong_origin(headers)
            or self._wrong_token(headers)
            or _wrong_kind(scope, headers)
        )

    def allowed_origin(self, headers: Headers) -> bytes | None:
        """The origin of a web page that was let in by name, if it comes from one."""
        origins = values(headers, b"origin")
        return origins[0] if len(origins) == 1 and origins[0] in self._origins else None

    def admits_preflight(self, headers: Headers) -> bool:
        """Whether a browser may be told that a page of this origin can come in."""
        return self._wrong_host(headers) is None and self.allowed_origin(headers) is not None

    def _wrong_host(self, headers: Headers) -> Refusal | None:
        hosts = values(headers, b"host")
        if len(hosts) == 1 and hosts[0].lower() in self._hosts:
            return None
        return Refusal(421, "This Host is not served here; --allow-host lets one in.")

    def _wrong_origin(self, headers: Headers) -> Refusal | None:
        if not values(headers, b"origin") or self.allowed_origin(headers) is not None:
            return None
        return Refusal(403, "Web pages of this Origin may not come in; --allow-origin lets one in.")

    def _wrong_token(self, headers: Headers) -> Refusal | None:
        given = values(headers, b"authorization")
        if not given:
            return Refusal(
                401,
                "A bearer token is needed: `headrace serve` says at its start in which file it is.",
                [(b"www-authenticate", _NO_TOKEN)],
            )
        scheme, _, token = given[0].partition(b" ")
        try:
            admitted = (
                len(given) == 1
                and scheme.lower() == b"bearer"
                and self._tokens.admits(token.strip())
            )
        except InvalidRequest as error:
            return Refusal(503, f"Nobody can be let in: {error.message}. {error.hint}")
        if admitted:
            return None
        return Refusal(
            401,
            REFUSED,
            [(b"www-authenticate", _INVALID_TOKEN)],
        )


def _wrong_address(scope: Scope) -> Refusal | None:
    return None if scope["path"] == PATH else Refusal(404, f"There is nothing here but {PATH}.")


def _wrong_kind(scope: Scope, headers: Headers) -> Refusal | None:
    if scope["method"] not in METHODS:
        allow = (b"allow", ", ".join(METHODS).encode())
        return Refusal(405, "Use POST for messages, GET for the event stream.", [allow])
    kinds = values(headers, b"content-type")
    if scope["method"] == "POST" and not (
        len(kinds) == 1 and kinds[0].split(b";")[0].strip().lower() == b"application/json"
    ):
        return Refusal(415, "Send JSON, with `Content-Type: application/json`.")
    return None


async def respond(refusal: Refusal, send: Send) -> None:
    """Send it as the whole answer."""
    body = b"" if refusal.status == 204 else refusal.body()
    headers = [*refusal.headers]
    if body:
        headers += [(b"content-type", b"application/json")]
        headers += [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def values(headers: Headers, name: bytes) -> list[bytes]:
    """Every value of a header; `name` in lower case, as ASGI has them."""
    return [value for key, value in headers if key == name]
