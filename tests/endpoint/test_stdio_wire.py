"""What is no good message is answered as JSON-RPC says, and the session goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import mcp_types as types
import pytest

from scheduler.endpoint import jsonrpc
from scheduler.endpoint.stdio.lines import Lines, TooLong
from tests.endpoint.raw_stdio import META, RawSession

PARSE, INVALID = types.PARSE_ERROR, types.INVALID_REQUEST


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawSession]:
    opened = RawSession(tmp_path_factory.mktemp("wire") / "tasks.db")
    yield opened
    opened.end()


FAULTS: list[tuple[bytes, int, Any]] = [
    (b"hello", PARSE, None),
    (b'{"jsonrpc":"2.0","id":7', PARSE, None),
    (b'{"jsonrpc":"2.0","id":7,"method":', PARSE, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"ping",', PARSE, 7),
    (b'{"jsonrpc":"2.0","method":"ping","id":"a","params":{"x":"\xff"}}', PARSE, "a"),
    (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"n":NaN}}', PARSE, 7),
    (b'{"method":"ping","params":{"n":NaN},"jsonrpc":"2.0","id":7}', PARSE, 7),
    (b'{"method":"ping","params":{"x":"}\xff\\\\\\"{"}, "id" : "a" } \r', PARSE, "a"),
    (b'{"method":"ping","jsonrpc":"2.0","params":{"n":NaN,"id":7}}', PARSE, None),
    (b'{"method":"ping","jsonrpc":"2.0","params":{"n":NaN,"id":7}', PARSE, None),
    (b'{"method":"ping","params":{"n":NaN,"s":"x,\\"id\\":7}"}}', PARSE, None),
    (b'[{"method":"ping","params":{"n":NaN},"jsonrpc":"2.0","id":7}]', PARSE, None),
    (b"[" * 100_000, PARSE, None),
    (b"[]", INVALID, None),
    (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', INVALID, None),
    (b"null", INVALID, None),
    (b"3", INVALID, None),
    (b"{}", INVALID, None),
    (b'{"jsonrpc":"1.0","id":8,"method":"ping"}', INVALID, 8),
    (b'{"id":8,"method":"ping"}', INVALID, 8),
    (b'{"jsonrpc":"2.0","id":8}', INVALID, 8),
    (b'{"jsonrpc":"2.0","id":8,"method":1}', INVALID, 8),
    (b'{"jsonrpc":"2.0","id":8,"method":"ping","params":[1]}', INVALID, 8),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', INVALID, None),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', INVALID, None),
    (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', INVALID, None),
]


@pytest.mark.parametrize(("line", "code", "request_id"), FAULTS)
def test_faulty_lines(line: bytes, code: int, request_id: Any) -> None:
    """The code, and the id wherever it can be told."""
    with pytest.raises(jsonrpc.Faulty) as caught:
        jsonrpc.parse(line)
    answer = json.loads(jsonrpc.encode(caught.value.answer))
    assert (answer["error"]["code"], answer["id"]) == (code, request_id)


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","id":1,"result":{}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}',
        b'{"jsonrpc":"2.0","id":[],"result":3}',
    ],
)
def test_responses_are_never_answered(line: bytes) -> None:
    """Not even when there was no request."""
    jsonrpc.parse(line)


def test_large_numbers_and_lone_surrogates_come_through() -> None:
    """JSON allows them; what they may mean is the tools' affair."""
    line = b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"n":%d,"s":"\\ud800"}}' % 10**30
    message = jsonrpc.parse(line)
    assert isinstance(message, types.JSONRPCRequest)
    assert message.params == {"n": 10**30, "s": "\ud800"}


def test_what_cannot_be_encoded() -> None:
    """A lone surrogate in an answer becomes a question mark, and the line stays one line."""
    answer = types.JSONRPCResponse(jsonrpc="2.0", id="\ud800", result={"a": "x\ud800\ny"})
    line = jsonrpc.encode(answer)
    assert line.count(b"\n") == 1
    assert json.loads(line)["result"] == {"a": "x?\ny"}


@pytest.mark.parametrize("chunk", [100, 2_000, 1_000_000])
def test_the_ends_of_a_line_that_is_too_long(chunk: int) -> None:
    """Are kept, however the bytes arrive, for its id may stand at either."""
    lines = Lines(longest=5_000)
    text = b"a" * 1_024 + b"x" * 50_000 + b"z" * 256 + b"\n"
    (line,) = (
        one for at in range(0, len(text), chunk) for one in lines.feed(text[at : at + chunk])
    )
    assert line == TooLong(b"a" * 1_024, b"z" * 256)


def test_lines_in_pieces() -> None:
    """However the bytes arrive, the lines are the same; one over the limit is not kept."""
    text = b"first\n\nsecond\r\n" + b"x" * 50 + b"\nlast"
    expected = [b"first", b"", b"second\r", TooLong(b"x" * 50, b"x" * 50), b"last"]
    for size in (1, 2, 7, 1000):
        lines = Lines(longest=20)
        found: list[bytes | TooLong | None] = [
            line for at in range(0, len(text), size) for line in lines.feed(text[at : at + size])
        ]
        found.append(lines.last())
        assert [line if isinstance(line, bytes) else TooLong for line in found] == [
            line if isinstance(line, bytes) else TooLong for line in expected
        ]
        assert lines.last() is None


@pytest.mark.process
def test_the_session_goes_on(session: RawSession) -> None:
    """Every fault is answered in its turn, and a good call still is after all of them."""
    for line, code, request_id in FAULTS:
        session.send(line + b"\n")
        answer = session.receive()
        assert (answer["error"]["code"], answer["id"]) == (code, request_id), line
    session.send(b'{"jsonrpc":"2.0","id":5,"result":{}}\n\r\n   \n')
    assert session.call("task_queue_status")["total_tasks"] == 0


@pytest.mark.process
@pytest.mark.parametrize("size", [5_000_000, 20_000_000])
def test_huge_messages(session: RawSession, size: int) -> None:
    """Each is refused with its id, and the next call is served."""
    number = session.request(
        "tools/call", {"name": "task_enqueue", "arguments": {"description": "x" * size}}
    )
    answer = session.receive()
    assert answer["id"] == number
    assert "error" in answer or answer["result"]["isError"]
    assert len(json.dumps(answer)) < 10_000
    assert session.call("task_queue_status")["total_tasks"] == 0


@pytest.mark.process
@pytest.mark.parametrize("size", [5_000_000, 20_000_000])
@pytest.mark.parametrize("request_id", [7, "x" * 200])
def test_huge_messages_whose_id_comes_last(
    session: RawSession, size: int, request_id: int | str
) -> None:
    """As a serializer that sorts its keys, or keeps them in another order, writes them."""
    arguments = {"description": "x" * size}
    params = {"name": "task_enqueue", "arguments": arguments, "_meta": META}
    message = {"method": "tools/call", "params": params, "jsonrpc": "2.0", "id": request_id}
    session.send(json.dumps(message).encode() + b"\n")
    assert session.receive()["id"] == request_id


@pytest.mark.process
def test_unknown_methods_and_bad_parameters(session: RawSession) -> None:
    """They are errors of the protocol, with the id."""
    nothing = {"code": types.METHOD_NOT_FOUND, "message": "Method not found"}
    assert session.ask("no/such" + "x" * 1_000)["error"] == nothing
    assert session.ask("tools/call", {"name": 3})["error"]["code"] == types.INVALID_PARAMS


@pytest.mark.process
def test_lone_surrogates_over_the_wire(session: RawSession) -> None:
    """The call is refused with its id, in UTF-8."""
    found = session.call("task_enqueue", description="a\ud800b")
    assert found["code"] in ("invalid_task", "invalid_request")
