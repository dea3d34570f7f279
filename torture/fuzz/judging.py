"""What may come back from the endpoint, told without any of its own code."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from torture.fuzz.values import CANARY

CODES = (-32700, -32600, -32601, -32602, -32000, -32002, -32020, -32021, -32022, -32800)
MESSAGE = 400  # characters of an error's message
ANSWER = 4 * 1024 * 1024  # bytes


class Expected:
    """How often each request that was sent has to be answered, by its id."""

    def __init__(self) -> None:
        self.ids: Counter[Any] = Counter()
        self.faults = 0  # lines that are no message: one error each
        self.excused: Counter[Any] = Counter()  # answers that may stay out: cancelled

    def sent(self, line: bytes) -> None:
        """Note a line; lines of nothing but blanks are none."""
        if not line.strip():
            return
        try:
            value = json.loads(line.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError):
            self.faults += 1
            return
        if not isinstance(value, dict):
            self.faults += 1
        elif "method" in value or not ("result" in value or "error" in value):
            self._request(value)

    def _request(self, value: Mapping[str, Any]) -> None:
        sound = value.get("jsonrpc") == "2.0" and isinstance(value.get("method"), str)
        sound = sound and isinstance(value.get("params"), dict | None)
        if sound and "id" not in value:
            self._notice(value)
        elif sound and type(value["id"]) in (int, str):
            self.ids[key(value["id"])] += 1
            self.excused[loosely(value["id"])] += value["method"] == "subscriptions/listen"
        else:
            self.faults += 1

    def _notice(self, value: Mapping[str, Any]) -> None:
        if value["method"] == "notifications/cancelled":
            self.excused[loosely((value.get("params") or {}).get("requestId"))] += 1


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def key(request_id: Any) -> Any:
    """Ids that are told apart: 1 and "1" are two."""
    return json.dumps(request_id, ensure_ascii=True).replace("\\ud800", "?")


def loosely(request_id: Any) -> Any:
    """As a cancellation names it: "1" and "001" cancel 1, too."""
    text = request_id if isinstance(request_id, str) else json.dumps(request_id)
    try:
        return int(text)
    except ValueError:
        return text.replace("\ud800", "?")


class Heard:
    """The answers, and what is wrong with them."""

    def __init__(self) -> None:
        self.ids: Counter[Any] = Counter()
        self.answers = 0
        self.errors = 0
        self.wrong: list[str] = []

    def take(self, line: bytes) -> Any:
        """Judge one line; its message, if it is one."""
        try:
            message = json.loads(line.decode(), parse_constant=_refuse)
        except ValueError as error:
            self.wrong.append(f"an answer is no JSON: {error}: {line[:200]!r}")
            return None
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            self.wrong.append(f"an answer is no JSON-RPC: {line[:200]!r}")
            return None
        if len(line) > ANSWER:
            self.wrong.append(f"an answer has {len(line)} bytes")
        if "method" not in message:
            self._answer(message)
        return message

    def _answer(self, message: Mapping[str, Any]) -> None:
        self.answers += 1
        self.ids[key(message.get("id"))] += 1
        if "error" in message:
            self.errors += 1
            self.wrong += faults_of_error(message["error"])
        elif message.get("result", {}).get("isError"):
            self.errors += 1
            self.wrong += faults_of_tool_error(message["result"])

    def compare(self, expected: Expected) -> None:
        """Note what was not answered, or more than once."""
        for request_id, count in expected.ids.items():
            excused = expected.excused[loosely(json.loads(request_id))]
            missing = count - excused - self.ids[request_id]
            if missing > 0:
                self.wrong.append(f"the call {request_id[:80]} was not answered")
        wanted = expected.ids.total() + expected.faults
        if not wanted - expected.excused.total() <= self.answers <= wanted:
            self.wrong.append(f"{self.answers} answers instead of {wanted}")


def faults_of_error(error: Any) -> Iterator[str]:
    """What an error of JSON-RPC should not be."""
    data = error.get("data")
    received = None
    if isinstance(data, dict):
        received = data.pop("received", None)
        data.pop("requested", None)  # the protocol wants the version that was asked for
    text = json.dumps(error)
    if len(str(received)) > 200:
        yield f"an error repeats too much: {received!r:.300}"
    if error.get("code") not in CODES:
        yield f"an error with an unknown code: {text[:200]}"
    if CANARY in text:
        yield f"an error repeats a text: {text[:300]}"
    if len(str(error.get("message"))) > MESSAGE or "Traceback" in text:
        yield f"an error is too long: {text[:300]}"


def faults_of_tool_error(result: Mapping[str, Any]) -> Iterator[str]:
    """The same of the error of a tool: a caller's words stand in `received` and `field` alone."""
    body = dict(result.get("structuredContent") or {})
    text = json.dumps(body)
    if body.get("code") in (None, "internal_error"):
        yield f"an error that nobody foresaw: {text[:300]}"
    if not text.isascii() or "Traceback" in text or len(text) > 40_000:
        yield f"an error is not plain: {text[:300]}"
    own = {name: body.pop(name, None) for name in ("received", "field")}
    if any(len(str(value)) > 200 for value in own.values()):
        yield f"an error repeats too much: {text[:300]}"
    if CANARY in json.dumps(body):
        yield f"an error repeats a text: {text[:300]}"


class _Noted(logging.Handler):
    def __init__(self, stories: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._stories = stories

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or record.exc_info:
            self._stories.append(f"logged: {record.getMessage()}: {record.exc_info}"[:400])


@contextmanager
def nothing_logged() -> Iterator[list[str]]:
    """Errors and stories that reach the log while the block runs."""
    stories: list[str] = []
    handler, root = _Noted(stories), logging.getLogger()
    root.addHandler(handler)
    try:
        yield stories
    finally:
        root.removeHandler(handler)
