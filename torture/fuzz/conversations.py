"""What clients say to the endpoint: real conversations, and the same after an accident."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

from scheduler.endpoint import tools
from torture.fuzz.values import CANARY, HOSTILE_TEXTS, UNKNOWN_ID, anything, arguments, large, word

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "fuzz", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
METHODS = (  # without parameters, or lacking them
    *("ping", "tools/list", "resources/list", "resources/templates/list", "prompts/list"),
    *("resources/unsubscribe", "subscriptions/listen", "logging/setLevel", "initialize"),
    *("completion/complete", "server/discover", "tasks/list", "notifications/progress"),
)
CLIENT = {"name": "fuzz", "version": "1"}
HANDSHAKE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT}
DEEP = b"[" * 100_000
Message = dict[str, Any]


class Talk:
    """Makes the messages of one client, one after the other, of one era or the other."""

    def __init__(self, random: Random, *, modern: bool, prefix: str = "") -> None:
        self.modern = modern
        self.ids: list[str] = []  # of tasks that are there
        self.tokens: list[tuple[str, str]] = []  # (task id, lease token) of claims
        self._random = random
        self._prefix = prefix
        self._number = 0

    def opening(self) -> list[Message]:
        """What a client of the older era says first."""
        if self.modern:
            return []
        return [self.request("initialize", HANDSHAKE), _notice("notifications/initialized")]

    def request(self, method: str, params: Message | None = None) -> Message:
        """A request as it should be."""
        self._number += 1
        number: Any = f"{self._prefix}{self._number}" if self._prefix else self._number
        sent = dict(params or {}) | ({"_meta": META} if self.modern else {})
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": sent}

    def call(self, tool: str, **given: Any) -> Message:
        """A call of a tool as it should be."""
        return self.request("tools/call", {"name": tool, "arguments": given})

    def any(self) -> Message:
        """Any message that a client may send, with arguments that its schema allows, mostly."""
        random = self._random
        match random.randrange(14):
            case 0:
                return self.request(random.choice(METHODS))
            case 1:
                uri = random.choice((f"task://{self._task()}", "queue://status", HOSTILE_TEXTS[2]))
                method = random.choice(("resources/read", "resources/subscribe"))
                return self.request(method, {"uri": uri})
            case 2:
                name = random.choice(("plan_work", HOSTILE_TEXTS[1]))
                return self.request("prompts/get", {"name": name, "arguments": {"goal": CANARY}})
            case 3:
                number = random.randint(0, self._number + 2)
                return _notice("notifications/cancelled", requestId=number, reason=CANARY)
            case 4 | 5:
                return self._work()
            case _:
                return self._call_of(random.choice(sorted(tools.EVERY)))

    def _work(self) -> Message:
        """The calls of a worker, whose values no schema tells."""
        random = self._random
        if not self.tokens or random.random() < 0.3:
            return self.call("task_claim", agent="fuzz", wait_seconds=random.choice((0, 0, 5)))
        task, token = random.choice(self.tokens)
        verb = random.choice(("task_complete", "task_fail", "task_heartbeat"))
        given: Message = {"task_id": task, "lease_token": token}
        if verb != "task_heartbeat":
            given |= {"error": CANARY} if verb == "task_fail" else {"result": {CANARY: 1}}
        return self.call(verb, **given)

    def _call_of(self, tool: str) -> Message:
        schema = tools.EVERY[tool].listed().input_schema
        return self.call(tool, **arguments(self._random, schema, self.ids or [UNKNOWN_ID]))

    def _task(self) -> str:
        return self._random.choice(self.ids or [UNKNOWN_ID])


def _notice(method: str, **params: Any) -> Message:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def line_of(message: object) -> bytes:
    """A message on the wire."""
    return json.dumps(message, ensure_ascii=True).encode()


def with_accident(random: Random, message: Message) -> bytes:
    """A message after one thing went wrong with it, as a line without its end."""
    kinds = (_flipped, _cut, _changed, _changed, _changed, _said_twice, _odd, _stuffed)
    return random.choice(kinds)(random, message).replace(b"\n", b"\v")


def _flipped(random: Random, message: Message) -> bytes:
    line = bytearray(line_of(message))
    for _ in range(random.choice((1, 1, 2, 20))):
        line[random.randrange(len(line))] ^= 1 << random.randrange(8)
    return bytes(line)


def _cut(random: Random, message: Message) -> bytes:
    line = line_of(message)
    start = 0 if random.random() < 0.7 else random.randrange(len(line))
    return line[start : random.randrange(len(line))]


def _changed(random: Random, message: Message) -> bytes:
    """Another value, no value, or one more, anywhere in it."""
    whole = json.loads(line_of(message))
    inside: Any = whole
    while isinstance(inside, dict) and inside:
        key = random.choice(sorted(inside))
        if isinstance(inside[key], dict) and inside[key] and random.random() < 0.7:
            inside = inside[key]
            continue
        match random.randrange(5):
            case 0:
                del inside[key]
            case 1:
                inside[word(random)] = anything(random)
            case 2:
                inside[key] = large(random)
            case _:
                inside[key] = anything(random)
        break
    return line_of(whole)


def _said_twice(random: Random, message: Message) -> bytes:
    """A key that stands twice, with another value."""
    key = random.choice(sorted(message))
    return line_of(message)[:-1] + b", " + line_of({key: anything(random)})[1:]


def _odd(random: Random, message: Message) -> bytes:
    """No request at all."""
    line = line_of(message)
    odd: Sequence[bytes] = (
        *(b"", b"   ", b"null", b"[]", b"{}", b"\xff\xfe", b"\x00", b"NaN", DEEP, b"{" * 5_000),
        *(
            b"[" + line + b"]",
            b"[" + line + b"," + line + b"]",
            line + line,
            b"\xef\xbb\xbf" + line,
        ),
        *(line_of({"jsonrpc": "2.0", "id": message.get("id"), "result": {}}),),
        *(line_of({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": CANARY}}),),
        *(line.replace(b'"2.0"', b'"1.0"'), line.replace(b'"params"', b'"parms"'), line.upper()),
        b"GET / HTTP/1.1",
    )
    return random.choice(odd)


def _stuffed(random: Random, message: Message) -> bytes:
    """Something that is no JSON in place of a value."""
    line = line_of(message)
    what = random.choice(
        (b"NaN", b"Infinity", b"-Infinity", b"\xff", b'"\xc3"', b"1e99999", b"\x00")
    )
    places = [place for place, byte in enumerate(line) if byte in b":,"]
    place = random.choice(places) + 1
    return line[:place] + what + line[place + random.choice((0, 1, 8)) :]
