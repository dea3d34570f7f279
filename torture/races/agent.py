"""An agent as a process of its own: claims, holds, sometimes for too long, and completes.

    python -m torture.races.agent mcp|embedded DATABASE JOURNAL NAME SEED

With `mcp` it speaks on its standard streams with a session; with `embedded` it opens the file
itself, and may become its owner. It ends when there is nothing left to do, or its session ends.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import Any

import trio

from scheduler import Scheduler, SchedulerError, connect, shapes
from torture.processes.conversation import Caller, SessionEndedError, ToolError
from torture.processes.stdio import StdioSession
from torture.races.journal import Event, Journal

WAYS = {"at once": 86, "with heartbeats": 7, "too long": 4, "release": 3}
LEASE = 1.0, 1.6  # seconds
AT_ONCE = 0.01  # seconds, the longest
KEPT = 1.5  # leases, the longest work with heartbeats
TOO_LONG = 1.3  # leases
STALE_TRIES = 0.25  # a token that is known to be lost is tried again
WAIT = 1.0  # seconds for work
SESSION_ENDED = 3  # the exit code


class Embedded:
    """The calls of an agent on a handle of its own, answered as the tools answer."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.pid = 0
        self._scheduler = scheduler

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Raises ToolError."""
        try:
            return await self._call(tool, arguments)
        except SchedulerError as error:
            raise ToolError(error.as_dict()) from error

    async def _call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if tool == "task_claim":
            lease, wait = arguments["lease_seconds"], arguments["wait_seconds"]
            limit, agent = arguments["limit"], arguments["agent"]
            claims = await self._scheduler.claim(agent, limit=limit, lease=lease, wait=wait)
            return {"claims": [shapes.claim(claim) for claim in claims]}
        if tool == "task_queue_status":
            return shapes.queue_status(await self._scheduler.queue_status())
        claim = arguments["task_id"], arguments["lease_token"]
        if tool == "task_heartbeat":
            await self._scheduler.heartbeat(claim)
        elif tool == "task_complete":
            await self._scheduler.complete(claim, arguments["result"])
        else:
            await self._scheduler.release(claim)
        return {}


class Agent:
    """See the module."""

    def __init__(self, name: str, journal: Journal, caller: Caller, chance: random.Random) -> None:
        self._name = name
        self._journal = journal
        self._caller = caller
        self._chance = chance
        self._lost: list[Event] = []  # tokens that were refused

    async def work(self) -> None:
        """Until nothing unfinished is left. Raises SessionEndedError."""
        while True:
            if self._lost and self._chance.random() < STALE_TRIES:
                stale = self._lost.pop(self._chance.randrange(len(self._lost)))
                await self._tell(stale, self._chance.choice(("complete", "heartbeat", "release")))
            claims = await self._claim()
            for claim in claims:
                await self._do(claim)
            if not claims:
                status = await self._caller.call("task_queue_status")
                if status["completed"] == status["total_tasks"]:
                    return

    async def _claim(self) -> list[Event]:
        lease = round(self._chance.uniform(*LEASE), 2)
        wish = {"lease_seconds": lease, "limit": self._chance.choice((1, 1, 1, 3))}
        sent = time.monotonic()
        answer = await self._caller.call("task_claim", agent=self._name, wait_seconds=WAIT, **wish)
        heard = time.monotonic()
        claims = [
            Event(
                *(self._name, "claim", claim["task_id"], claim["lease_token"], sent, heard, "ok"),
                *(lease, claim.get("prerequisite_results", {})),
            )
            for claim in answer["claims"]
        ]
        self._journal.write(*claims)
        return claims

    async def _do(self, claim: Event) -> None:
        way = self._chance.choices(list(WAYS), list(WAYS.values()))[0]
        match way:
            case "at once":
                await trio.sleep(self._chance.uniform(0, AT_ONCE))
            case "with heartbeats":
                for _ in range(self._chance.randrange(1, int(KEPT * 3) + 1)):
                    await trio.sleep(claim.lease / 3)
                    if not await self._tell(claim, "heartbeat"):
                        return
            case "too long":
                await trio.sleep(claim.lease * TOO_LONG)
        await self._tell(claim, "release" if way == "release" else "complete")

    async def _tell(self, claim: Event, call: str) -> bool:
        """Whether it was accepted; a token that was refused is remembered."""
        sent = time.monotonic()
        event = Event(self._name, call, claim.task, claim.token, sent)
        self._journal.write(event)
        more = {"result": result_of(claim.token)} if call == "complete" else {}
        outcome = "ok"
        try:
            await self._caller.call(
                f"task_{call}", task_id=claim.task, lease_token=claim.token, **more
            )
        except ToolError as error:
            outcome = error.code
            self._lost = [*self._lost[-20:], claim]
        self._journal.write(event._replace(heard=time.monotonic(), outcome=outcome))
        return outcome == "ok"


def result_of(token: str) -> str:
    """What a holder of this token gives as the result."""
    return f"by {token[-12:]}"


async def _run(kind: str, database: str, journal: str, name: str, seed: str) -> None:
    written, chance = Journal(Path(journal)), random.Random(int(seed))
    if kind == "embedded":
        async with connect(database) as scheduler:
            await Agent(name, written, Embedded(scheduler), chance).work()
        return
    async with trio.lowlevel.FdStream(1) as to_server, trio.lowlevel.FdStream(0) as from_server:
        session = StdioSession(0, to_server, from_server)
        try:
            await session.start()
            await Agent(name, written, session, chance).work()
        except SessionEndedError:
            sys.exit(SESSION_ENDED)


def main() -> None:
    """Run one agent."""
    kind, database, journal, name, seed = sys.argv[1:]
    trio.run(_run, kind, database, journal, name, seed)


if __name__ == "__main__":
    main()
