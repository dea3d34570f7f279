"""The endpoint over pipes: conversations with accidents, beside one that is well behaved.

A round is a scheduler in memory on virtual time, a client whose lines come to harm, and one that
works in order on the same queue. Afterwards every request has one answer, every acknowledged
task is there, and nothing has reached the log.
"""

from __future__ import annotations

import os
from contextlib import suppress
from random import Random
from typing import Any

import msgspec
import trio

from scheduler import Scheduler, testing
from scheduler.domain.errors import SchedulerError
from scheduler.endpoint.server import Endpoint
from scheduler.endpoint.stdio.serving import serve_pipes
from torture.fuzz.conversations import Talk, line_of, with_accident
from torture.fuzz.judging import Expected, Heard, nothing_logged

LINES = 60  # of a round
TOGETHER = 12  # lines between two looks at the answers
LONGEST_WAIT = 120.0  # virtual seconds in which every call is answered
PATIENCE = 900.0  # virtual seconds until a round is given up


class Round(msgspec.Struct):
    """What became of one round."""

    lines: int = 0
    harmed: int = 0
    answers: int = 0
    errors: int = 0
    wrong: list[str] = []


class Client:
    """One end of a pair of pipes, and what it has said and heard."""

    def __init__(self, received: int, sent: int) -> None:
        self._out = trio.lowlevel.FdStream(sent)
        self._in = trio.lowlevel.FdStream(received)
        self.expected = Expected()
        self.heard = Heard()
        self.messages: list[Any] = []
        self._rest = b""
        self._more = trio.Event()

    async def say(self, *lines: bytes) -> None:
        for line in lines:
            self.expected.sent(line)
        await self._out.send_all(b"".join(line + b"\n" for line in lines))

    async def hear(self) -> None:
        """Take in what comes until the server has gone."""
        async with self._in:
            while data := await self._in.receive_some():
                *whole, self._rest = (self._rest + data).split(b"\n")
                for line in whole:
                    if (message := self.heard.take(line)) is not None:
                        self.messages.append(message)
                self._more.set()
                self._more = trio.Event()

    async def answer_to(self, request_id: Any) -> Any:
        """Wait for the answer with this id."""
        seen = 0
        while True:
            for message in self.messages[seen:]:
                if message.get("id") == request_id and "method" not in message:
                    return message
            seen = len(self.messages)
            await self._more.wait()

    async def leave(self) -> None:
        await self._out.aclose()


def play(seed: int, number: int, lines: int = LINES) -> Round:
    """Play one round; the same for the same seed and number."""
    played = Round()
    random = Random(f"{seed}:wire:{number}")
    with nothing_logged() as stories:
        try:
            testing.run(_play, random, lines, played, seed=number)
        except Exception as error:
            played.wrong.append(f"{type(error).__name__}: {error!r}"[:400])
    played.wrong += stories
    return played


async def _play(random: Random, lines: int, played: Round) -> None:
    with trio.fail_after(PATIENCE):
        async with testing.open_scheduler(seed=random.randrange(1 << 30)) as scheduler:
            async with trio.open_nursery() as nursery:
                wild = await _connect(scheduler, nursery)
                tame = await _connect(scheduler, nursery)
                acknowledged = await _talk(random, lines, wild, tame, played)
                await wild.leave()
                await tame.leave()
            await _check(scheduler, acknowledged, played)
    for client in (wild, tame):
        client.heard.compare(client.expected)
        played.answers += client.heard.answers
        played.errors += client.heard.errors
        played.wrong += client.heard.wrong


async def _connect(scheduler: Scheduler, nursery: trio.Nursery) -> Client:
    """A server of its own for a new client, until that one leaves."""
    to_server, from_server = os.pipe(), os.pipe()
    client = Client(from_server[0], to_server[1])

    async def serve() -> None:
        try:
            await serve_pipes(Endpoint(scheduler, "all"), to_server[0], from_server[1])
        finally:
            for descriptor in (to_server[0], from_server[1]):
                os.close(descriptor)

    nursery.start_soon(serve)
    nursery.start_soon(client.hear)
    return client


async def _talk(random: Random, lines: int, wild: Client, tame: Client, played: Round) -> set[str]:
    """The ids of tasks that were acknowledged."""
    harmed = Talk(random, modern=random.random() < 0.5)
    sober = Talk(Random(0), modern=random.random() < 0.5, prefix="t")
    await wild.say(*map(line_of, harmed.opening()))
    await tame.say(*map(line_of, sober.opening()))
    acknowledged: set[str] = set()
    for start in range(0, lines, TOGETHER):
        batch = _batch(random, harmed, min(TOGETHER, lines - start), played)
        await wild.say(*batch)
        acknowledged |= await _work(sober, tame)
        await trio.sleep(LONGEST_WAIT)
        _learn(harmed, wild, acknowledged)
    return acknowledged


def _batch(random: Random, talk: Talk, size: int, played: Round) -> list[bytes]:
    """Some lines, in order or not, one of them perhaps twice or not at all."""
    lines: list[bytes] = []
    for _ in range(size):
        message = talk.any()
        played.lines += 1
        if random.random() < 0.5:
            lines.append(line_of(message))
        else:
            played.harmed += 1
            lines.append(with_accident(random, message))
    match random.randrange(6):
        case 0:
            random.shuffle(lines)
        case 1:
            lines.insert(random.randrange(size), random.choice(lines))
        case 2:
            del lines[random.randrange(size)]
        case _:
            pass
    return lines


async def _work(talk: Talk, client: Client) -> set[str]:
    """A task from its making to its end, as a well-behaved client does it."""
    lane = "tame"
    asked = talk.call("task_enqueue", description="sober", agent_type=lane)
    made = await _asked(client, asked)
    asked = talk.call("task_claim", agent="tame", agent_types=[lane])
    claims = (await _asked(client, asked)).get("claims") or []
    for claim in claims:
        given = {"task_id": claim["task"]["task_id"], "lease_token": claim["lease_token"]}
        await _asked(client, talk.call("task_complete", **given))
    if not made.get("task_id"):
        client.heard.wrong.append(f"a good call was refused: {made}"[:300])
        return set()
    return {made["task_id"]}


async def _asked(client: Client, request: dict[str, Any]) -> dict[str, Any]:
    await client.say(line_of(request))
    answer = await client.answer_to(request["id"])
    body: dict[str, Any] = answer.get("result", {}).get("structuredContent") or {}
    return body


def _learn(talk: Talk, client: Client, acknowledged: set[str]) -> None:
    """What a client knows from its answers: ids and leases."""
    for message in client.messages:
        result = message.get("result")
        body = result.get("structuredContent") if isinstance(result, dict) else None
        if not isinstance(body, dict) or result.get("isError"):
            continue
        if isinstance(task := body.get("task_id"), str):
            talk.ids.append(task)
            acknowledged.add(task)
        for claim in body.get("claims") or ():
            talk.tokens.append((claim["task"]["task_id"], claim["lease_token"]))
    client.messages.clear()


async def _check(scheduler: Scheduler, acknowledged: set[str], played: Round) -> None:
    for task in sorted(acknowledged):
        try:
            await scheduler.get(task)
        except SchedulerError as error:
            played.wrong.append(f"acknowledged, and not there: {task}: {error.code}")
    with suppress(SchedulerError):
        await scheduler.execution_plan()
