"""Requests over HTTP and the answers they must get, as one table.

`python -m tests.endpoint.http_table` prints it in Markdown. Each row is a request that would be
let in but for one difference, or bytes as they are; the answers are the statuses of all that
comes back on its connection, in order, and none at all if it is closed without a word. In texts
{port} and {token} stand for those of the server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.endpoint.over_http import INITIALIZE, PAGE, Served

BODY = json.dumps(INITIALIZE).encode()
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


class Row(NamedTuple):
    """A request by what is different in it, and the statuses of the answers."""

    name: str
    sent: Mapping[str, Any] | bytes | Raw
    answers: tuple[int, ...]


class Raw(NamedTuple):
    """Lines of a head beside those that let a request in, and what comes behind it."""

    lines: Sequence[str]
    body: bytes = BODY
    without: str = ""  # a header
    first: str = "POST /mcp HTTP/1.1"
    line_end: str = "\r\n"


def differs(name: str, answer: int, **difference: Any) -> Row:
    """One answer to a request with this difference, as of `Served.request`."""
    return Row(name, difference, (answer,))


TABLE: Mapping[str, Sequence[Row]] = {
    "let in": [
        differs("nothing is different", 200),
        differs("a Host in capitals", 200, Host="LOCALHOST:{port}"),
        differs("an Origin that was allowed", 200, Origin=PAGE),
        differs("a scheme in small letters", 200, Authorization="bearer {token}"),
        differs("a charset", 200, Content_Type="application/json; charset=utf-8"),
        differs("a query, which is passed over", 200, path="/mcp?x=1"),
        differs("an address that is escaped", 200, path="/%6dcp"),
        differs("headers of a proxy, which are passed over", 200, X_Forwarded_Host="evil.example"),
        Row("a body in chunks", Raw([CHUNKED], CHUNKS), (200,)),
        Row("the same length twice", Raw([LENGTH, LENGTH]), (200,)),
    ],
    "address": [
        differs("another path", 404, path="/"),
        differs("a longer path", 404, path="/mcp/"),
        differs("a path in capitals", 404, path="/MCP"),
        differs("two slashes", 404, path="//mcp"),
        differs("a path above", 404, path="/mcp/../mcp"),
        differs("a path above, escaped", 404, path="/..%2fmcp"),
        differs("a file of the system", 404, path="/mcp/../../etc/passwd"),
        differs("a NUL behind the path", 404, path="/mcp%00"),
        differs("a whole address as path", 404, path="http://evil.example/mcp"),
        differs("our whole address as path", 404, path="http://127.0.0.1:{port}/mcp"),
        differs("what clients ask before OAuth", 404, path="/.well-known/oauth-protected-resource"),
    ],
    "host": [
        differs("a foreign Host", 421, Host="evil.example"),
        differs("a foreign Host with our port", 421, Host="evil.example:{port}"),
        differs("our Host with another port", 421, Host="127.0.0.1:1"),
        differs("our Host without the port", 421, Host="127.0.0.1"),
        differs("our Host as a prefix", 421, Host="127.0.0.1.evil.example:{port}"),
        differs("our Host behind a name", 421, Host="evil.example@127.0.0.1:{port}"),
        differs("our Host as one number", 421, Host="2130706433:{port}"),
        differs("our Host with a dot at its end", 421, Host="localhost.:{port}"),
        differs("another loopback address", 421, Host="127.0.0.2:{port}"),
        differs("the other kind of loopback address", 421, Host="[::1]:{port}"),
        differs("an empty Host", 421, Host=""),
        differs("no Host, as HTTP/1.0 allows", 421, without=("Host",), version="1.0"),
        differs("no Host", 400, without=("Host",)),
        differs("two Hosts", 400, Host="127.0.0.1:{port}", host="evil.example"),
    ],
    "origin": [
        differs("a foreign Origin", 403, Origin="https://evil.example"),
        differs("the Origin of a sandboxed page", 403, Origin="null"),
        differs("an empty Origin", 403, Origin=""),
        differs("another server on this machine", 403, Origin="http://localhost:3000"),
        differs("our own address as Origin", 403, Origin="http://127.0.0.1:{port}"),
        differs("an Origin that begins as one allowed", 403, Origin=PAGE + ".evil.example"),
        differs("an Origin with a port more", 403, Origin=PAGE + ":8443"),
        differs("an Origin in capitals", 403, Origin=PAGE.upper()),
        differs("two Origins", 403, Origin=PAGE, origin="https://evil.example"),
        differs(
            "a foreign page that asks beforehand",
            403,
            method="OPTIONS",
            without=("Authorization",),
            Origin="https://evil.example",
            Access_Control_Request_Method="POST",
        ),
        differs(
            "an allowed page that asks beforehand",
            204,
            method="OPTIONS",
            without=("Authorization",),
            Origin=PAGE,
            Access_Control_Request_Method="POST",
        ),
    ],
    "token": [
        differs("no token", 401, without=("Authorization",)),
        differs("an empty token", 401, Authorization="Bearer "),
        differs("a wrong token", 401, Authorization="Bearer " + "x" * 43),
        differs("a token that is not ASCII", 401, Authorization="Bearer \xff\xfe"),
        differs("another scheme", 401, Authorization="Basic {token}"),
        differs("the token alone", 401, Authorization="{token}"),
        differs("more than the token", 401, Authorization="Bearer {token}x"),
        differs("a part of the token", 401, Authorization="Bearer {token:.20}"),
        differs("the token behind a tab", 401, Authorization="Bearer\t{token}"),
        differs("two tokens", 401, Authorization="Bearer {token}", authorization="Bearer x"),
        differs(
            "the token in the address",
            401,
            path="/mcp?access_token={token}",
            without=("Authorization",),
        ),
        differs("the token as a cookie", 401, Cookie="t={token}", without=("Authorization",)),
        differs(
            "the token for a proxy",
            401,
            Proxy_Authorization="Bearer {token}",
            without=("Authorization",),
        ),
        differs("a session without the token", 401, without=("Authorization",), session=True),
        differs("a session with a wrong token", 401, Authorization="Bearer x", session=True),
        differs("a path without the token, elsewhere", 404, path="/", without=("Authorization",)),
    ],
    "method and kind": [
        differs("OPTIONS", 405, method="OPTIONS"),
        differs("PUT", 405, method="PUT"),
        differs("PATCH", 405, method="PATCH"),
        differs("HEAD", 405, method="HEAD"),
        differs("TRACE", 405, method="TRACE"),
        differs("CONNECT", 405, method="CONNECT"),
        differs("text/plain, as a form can send", 415, Content_Type="text/plain"),
        differs("a form", 415, Content_Type="application/x-www-form-urlencoded"),
        differs("something like JSON", 415, Content_Type="application/jsonp"),
        differs("no content type", 415, without=("Content-Type",)),
        differs(
            "two content types", 415, Content_Type="application/json", content_type="text/plain"
        ),
        differs("an answer that only HTML could have", 406, Accept="text/html"),
        differs("no answer is wanted", 406, without=("Accept",)),
    ],
    "sessions and versions": [
        differs("a session that is not", 404, Mcp_Session_Id="0" * 32),
        differs("a session of any length", 404, Mcp_Session_Id="x" * 9_000),
        differs("an event stream of no session", 400, method="GET"),
        differs("the end of no session", 400, method="DELETE"),
        differs("a version of the protocol that is not", 400, MCP_Protocol_Version="1999-01-01"),
        differs("a call outside a session", 400, body=LIST),
        differs(
            "the era without sessions, without its envelope",
            400,
            body=LIST,
            MCP_Protocol_Version="2026-07-28",
        ),
    ],
    "body": [
        differs("no JSON", 400, body=b"{"),
        differs("nothing at all", 400, body=b""),
        differs("no object", 400, body=b"[]"),
        differs("no JSON-RPC", 400, body=b'{"id": 1}'),
        differs("endless nesting", 400, body=b"[" * 100_000),
        differs("a batch", 400, body=[LIST, LIST]),
        differs("no UTF-8", 400, body=b'{"jsonrpc":"2.0","id":1,"method":"\xff"}'),
        Row("more than 4 MiB", Raw(["Content-Length: 5000000"], b" " * 5_000_000), (413,)),
        Row(
            "more than 4 MiB in chunks",
            Raw([CHUNKED], (b"%x\r\n" % 2**20 + b" " * 2**20 + b"\r\n") * 5),
            (413,),
        ),
        Row(
            "more than 4 MiB without the token",
            Raw(["Content-Length: 5000000"], b" " * 5_000_000, "Authorization"),
            (401,),
        ),
    ],
    "framing": [
        Row("a length and chunks", Raw([CHUNKED, LENGTH], CHUNKS), (400,)),
        Row("chunks and a length", Raw(["Content-Length: 4", CHUNKED], CHUNKS), (400,)),
        Row("two lengths", Raw([LENGTH, "Content-Length: 5"]), (400,)),
        Row("a length below zero", Raw(["Content-Length: -1"]), (400,)),
        Row("a length with a sign", Raw([f"Content-Length: +{len(BODY)}"]), (400,)),
        Row("a length in other digits", Raw(["Content-Length: 0x10"]), (400,)),
        Row("a length without end", Raw(["Content-Length: " + "9" * 30]), (400,)),
        Row("another encoding", Raw(["Transfer-Encoding: gzip"]), (501,)),
        Row(
            "chunks and another encoding", Raw(["Transfer-Encoding: gzip, chunked"], CHUNKS), (501,)
        ),
        Row("chunks that only look so", Raw(["Transfer-Encoding: xchunked"], CHUNKS), (501,)),
        Row(
            "chunks behind a control character",
            Raw(["Transfer-Encoding: \x0bchunked"], CHUNKS),
            (400,),
        ),
        Row("a space before the colon", Raw(["Transfer-Encoding : chunked"], CHUNKS), (400,)),
        Row("two encodings", Raw([CHUNKED, "Transfer-Encoding: identity"], CHUNKS), (501,)),
        Row("a chunk of no length", Raw([CHUNKED], b"zz\r\n" + BODY), (400,)),
        Row("a chunk below zero", Raw([CHUNKED], b"-1\r\n" + BODY), (400,)),
        Row(
            "a chunk with endless extensions",
            Raw([CHUNKED], b"1;" + b"x" * 70_000 + b"\r\na\r\n"),
            (431,),
        ),
        Row("a chunk without end", Raw([CHUNKED], b"FFFFFFFFFFFFFFFFFF\r\n" + BODY), (408,)),
        Row("a body longer than its length", Raw([LENGTH], BODY + b"garbage\r\n\r\n"), (200, 400)),
        Row(
            "a request without the token, behind another",
            Raw([LENGTH], BODY + b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"),
            (200, 401),
        ),
    ],
    "head": [
        Row("a CR within a value", Raw([LENGTH, "X: a\rSet-Cookie: b"]), (400,)),
        Row("a NUL within a value", Raw([LENGTH, "X: a\0b"]), (400,)),
        Row("a space within a name", Raw([LENGTH, "X Y: a"]), (400,)),
        Row("no name", Raw([LENGTH, ": a"]), (400,)),
        Row(
            "a line that ends within the address",
            Raw([LENGTH], first="POST /mcp\r\nX: HTTP/1.1"),
            (400,),
        ),
        Row("more than 16 KiB", Raw([LENGTH, "X: " + "x" * 20_000]), (431,)),
        Row(
            "more than 16 KiB in many headers",
            Raw([LENGTH, *("X: " + "x" * 90 for _ in range(300))]),
            (431,),
        ),
        Row(
            "an address of more than 16 KiB",
            Raw([LENGTH], first=f"POST /mcp?{'x' * 20_000} HTTP/1.1"),
            (431,),
        ),
    ],
    "other protocols": [
        differs("HTTP/0.9", 505, version="0.9"),
        differs("HTTP/1.2", 505, version="1.2"),
        differs("HTTP/2.0 as a word", 505, version="2.0"),
        differs("HTTP/3.0 as a word", 505, version="3.0"),
        Row("HTTP/0.9 as it was", b"GET /mcp\r\n\r\n", (400,)),
        Row("HTTP/2 from the start", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 90, (505,)),
        Row(
            "HTTP/2 behind a request",
            Raw([LENGTH], BODY + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            (200, 505),
        ),
        differs("a wish for HTTP/2, passed over", 200, Upgrade="h2c", HTTP2_Settings="AAMAAABk"),
        differs(
            "a wish for a websocket, without the token",
            401,
            method="GET",
            Upgrade="websocket",
            Connection="Upgrade",
            without=("Authorization",),
        ),
        Row("TLS", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", (400,)),
        Row("zeros", b"\0" * 20_000, (400,)),
    ],
    "slowness": [
        Row("nothing in a minute", b"", ()),
        Row("a head without end in a minute", b"POST /mcp HTTP/1.1\r\nHost: ", ()),
        Row("a body without end in half a minute", Raw(["Content-Length: 100"], b"{"), (408,)),
    ],
}


def bytes_of(row: Row, served: Served, session: Mapping[str, Any]) -> bytes:
    """What is sent for a row; `session` are the headers of one that is open."""
    known = {"port": served.place.port, "token": served.token}
    match row.sent:
        case bytes():
            return row.sent
        case Raw(lines, body, without, first, end):
            head = {
                "Host": served.host,
                "Authorization": f"Bearer {served.token}",
                "Content-Type": "application/json",
                "Accept": "application/json, text/event-stream",
            }
            own = [f"{name}: {value}" for name, value in head.items() if name != without]
            text = end.join([first, *own, *lines, "", ""])
            return text.encode("latin-1") + body.replace(b"{port}", b"%d" % served.place.port)
        case _:
            said = dict(row.sent)
            said = {n: v.format(**known) if isinstance(v, str) else v for n, v in said.items()}
            if said.pop("session", False):
                said = {**session, **said}
            return served.request(**{"body": INITIALIZE} | said)


def markdown() -> str:
    """The table as a page shows it."""
    lines = ["| request | answer |", "|---|---|"]
    for section, rows in TABLE.items():
        lines.append(f"| **{section}** | |")
        for row in rows:
            answer = ", then ".join(map(str, row.answers)) or "closed"
            lines.append(f"| {row.name} | {answer} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
