"""One line of the stdio transport to a JSON-RPC message, and back.

The SDK's own reader drops what it cannot read; here every faulty message is answered as JSON-RPC
2.0 says, with the id of the request wherever that can be told.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import mcp_types as types
import msgspec
from pydantic import ValidationError

from scheduler.endpoint.output import without_surrogates

Message = types.JSONRPCMessage

_ID = rb'"id"\s*:\s*(-?\d{1,18}|"[^"\\]{0,200}")\s*'
_HEAD = re.compile(  # an id that comes before everything of any length
    rb'\s*\{\s*(?:"(?:jsonrpc|method)"\s*:\s*"[^"\\]*"\s*,\s*)*' + _ID + rb"[,}]"
)
_TAIL = re.compile(rb",\s*" + _ID + rb"\}\s*\Z")  # one that comes last of all
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)  # in linear time
TAIL = 256  # bytes from the end in which such an id stands


class Faulty(Exception):
    """A line that is no message; `answer` is what to reply."""

    def __init__(self, code: int, message: str, request_id: types.RequestId | None = None) -> None:
        super().__init__(message)
        self.answer = types.JSONRPCError(
            jsonrpc="2.0", id=request_id, error=types.ErrorData(code=code, message=message)
        )


def parse(line: bytes) -> Message | None:
    """The message in a line; None for a response that answers nothing. Raises Faulty."""
    fields = _object(line)
    if "method" not in fields and ("result" in fields or "error" in fields):
        try:
            return types.jsonrpc_message_adapter.validate_python(fields, by_name=False)
        except ValidationError:
            return None  # a response is never answered
    request_id = fields.get("id")
    known = request_id if type(request_id) in (int, str) else None
    match fields:
        case {"jsonrpc": "2.0", "method": str(method)}:
            params = fields.get("params")
        case _:
            raise Faulty(types.INVALID_REQUEST, "this is no JSON-RPC 2.0 request", known)
    if not isinstance(params, dict | None):
        raise Faulty(types.INVALID_REQUEST, "params is no object", known)
    if "id" not in fields:
        return types.JSONRPCNotification(jsonrpc="2.0", method=method, params=params)
    if known is None:
        raise Faulty(types.INVALID_REQUEST, "id is neither a string nor a whole number")
    return types.JSONRPCRequest(jsonrpc="2.0", id=known, method=method, params=params)


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = _second_opinion(line)
    match value:
        case dict():
            return value
        case list():
            raise Faulty(
                types.INVALID_REQUEST, "batches are not supported; send one message a line"
            )
        case _:
            raise Faulty(types.INVALID_REQUEST, "a message is a JSON object")


def _second_opinion(line: bytes) -> Any:
    """What the quicker parser refused: lone surrogates and large numbers are fit for an answer."""
    try:
        return json.loads(line.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Faulty(
            types.PARSE_ERROR, "this line is not JSON, or is nested too deep", _id_in_broken(line)
        ) from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def id_in(head: bytes, tail: bytes) -> types.RequestId | None:
    """The id of a request of which only the beginning and the end are known."""
    found = _HEAD.match(head) or _TAIL.search(tail)
    if found is None:
        return None
    try:
        request_id: types.RequestId = json.loads(found[1])
    except ValueError:
        return None
    return request_id


def _id_in_broken(line: bytes) -> types.RequestId | None:
    """The same of one that is whole, but no JSON: its end may be that of an object inside."""
    tail = line[-TAIL:]
    return id_in(line, tail if _TAIL.search(tail) and _is_balanced(line) else b"")


def _is_balanced(line: bytes) -> bool:
    bare = _STRING.sub(b"", line)
    return bare.count(b"{") == bare.count(b"}") and bare.count(b"[") == bare.count(b"]")


def encode(message: Message) -> bytes:
    """A message as one line."""
    match message:
        case types.JSONRPCResponse():
            fields: dict[str, Any] = {"jsonrpc": "2.0", "id": message.id, "result": message.result}
        case _:
            fields = message.model_dump(by_alias=True, mode="json", exclude_unset=True)
    try:
        return msgspec.json.encode(fields) + b"\n"
    except UnicodeEncodeError:
        return without_surrogates(json.dumps(fields, ensure_ascii=False)).encode() + b"\n"
