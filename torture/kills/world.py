"""One database with its agents, who start another session when theirs is killed."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

import trio

from torture.kills import file
from torture.kills.agent import Agent
from torture.kills.calls import Traffic
from torture.kills.ledger import Ledger
from torture.processes.conversation import Caller, SessionEndedError
from torture.processes.running import Processes, Running

ANEW = 0.03  # of the sessions are started by a Python that imports everything first
FIRST_MOMENTS = 0.06  # seconds
DRAINED_WITHIN = 60.0  # seconds
STUCK_AFTER = 30.0  # seconds without an answered call


class Worker(Protocol):
    """What works over one session after the other."""

    async def work(self, caller: Caller) -> None:
        """Until the traffic is over. Raises SessionEndedError."""
        ...

    def lost_session(self) -> None:
        """Its session has ended."""
        ...


Opened = Callable[[trio.Nursery], AbstractAsyncContextManager[Caller]]


@dataclass
class World:
    """See the module."""

    processes: Processes
    chance: random.Random
    over_stdio: int = 4  # agents
    over_http: int = 2
    doomed: float = 0.12  # of the starts are killed in their first moments
    ledger: Ledger = field(default_factory=Ledger)
    traffic: Traffic = field(default_factory=Traffic)
    kills: Counter[str] = field(default_factory=Counter)  # by role
    answered_after: list[float] = field(default_factory=list)  # seconds, of killed owners
    checks: int = 0
    server: Running | None = None

    # ------------------------------------------------------------- agents

    def start(self, nursery: trio.Nursery) -> None:
        """Let all agents work until the traffic is over."""
        if self.over_http:
            nursery.start_soon(self._serve, nursery)
        for place in range(self.over_stdio + self.over_http):
            chance = random.Random(self.chance.random())
            agent = Agent(f"a{place}", self.ledger, self.traffic, chance)
            opened = self.stdio if place < self.over_stdio else self.http
            nursery.start_soon(self.seat, agent, opened, nursery)

    async def seat(self, worker: Worker, opened: Opened, nursery: trio.Nursery) -> None:
        """Give a worker one session after the other."""
        while not self.traffic.over:
            with suppress(SessionEndedError):
                async with opened(nursery) as caller:
                    try:
                        await worker.work(caller)
                    finally:
                        worker.lost_session()
            await trio.sleep(self.chance.choice((0.0, 0.0, 0.02, 0.2)))

    @asynccontextmanager
    async def stdio(self, nursery: trio.Nursery) -> AsyncIterator[Caller]:
        """A session with a `headrace mcp` of its own."""
        anew = self.chance.random() < ANEW
        async with self.processes.session(anew=anew) as (running, session):
            self._perhaps_doom(running, nursery)
            try:
                await session.start()
                yield session
            except SessionEndedError as error:
                self._must_have_been_killed(running, error)
                raise

    @asynccontextmanager
    async def http(self, _nursery: trio.Nursery) -> AsyncIterator[Caller]:
        """A connection to the one server."""
        server = self.server
        if server is None:
            raise SessionEndedError
        client = await self.processes.client(server)
        try:
            yield client
        except SessionEndedError as error:
            await trio.sleep(0.01)  # the connection breaks a moment before the process is gone
            self._must_have_been_killed(server, error)
            raise
        finally:
            await client.aclose()

    async def _serve(self, nursery: trio.Nursery) -> None:
        """Keep a server running for those who come over HTTP."""
        while not self.traffic.over:
            with self.processes.server(anew=self.chance.random() < ANEW) as self.server:
                self._perhaps_doom(self.server, nursery)
                while not self.processes.has_gone(self.server) and not self.traffic.over:
                    await trio.sleep(0.02)

    def _must_have_been_killed(self, running: Running, error: SessionEndedError) -> None:
        if not running.killed:
            story = self.processes.story(running)
            what = f"a {running.kind} session ended by itself ({error}): {story}"
            self.ledger.wrong.append(("P7", what))

    def _perhaps_doom(self, running: Running, nursery: trio.Nursery) -> None:
        if self.chance.random() < self.doomed and not self.traffic.draining:
            nursery.start_soon(self._doom, running, self.chance.uniform(0, FIRST_MOMENTS))

    async def _doom(self, running: Running, seconds: float) -> None:
        await trio.sleep(seconds)
        self.kill(running, "starting")

    # ------------------------------------------------------------- kills and checks

    def kill(self, running: Running, role: str) -> bool:
        """Kill it with kill -9, if it still runs."""
        killed = self.processes.kill(running)
        self.kills[role] += killed
        return killed

    async def goes_on(self) -> float:
        """Seconds from now until a call is answered that is sent from now on."""
        began = time.monotonic()
        with trio.move_on_after(STUCK_AFTER):
            while self.traffic.newest < began:
                await trio.sleep(0.002)
            return time.monotonic() - began
        self.ledger.wrong.append(("P7", f"no call was answered for {STUCK_AFTER:g} s"))
        return STUCK_AFTER

    def check(self) -> file.File | None:
        """Compare what is certain with the file; None while there is no file to read."""
        try:
            found = file.read(self.processes.database)
        except sqlite3.OperationalError:
            if self.ledger.names:
                raise
            return None  # it is being made
        self.checks += 1
        self.ledger.check(found)
        return found

    async def drain(self) -> None:
        """Nothing new, no kills: everything must come to its end."""
        self.traffic.draining = True
        with trio.move_on_after(DRAINED_WITHIN) as limit:
            while (found := self.check()) is None or found.unfinished:
                await trio.sleep(0.1)
        if limit.cancelled_caught:
            rows = file.read(self.processes.database).rows
            left = Counter(row.status for row in rows.values() if not row.ended)
            what = f"after {DRAINED_WITHIN:g} s without kills these are left: {dict(left)}"
            self.ledger.wrong.append(("P4", what))
        self.traffic.over = True


def doctor(world: World) -> None:
    """Let `headrace doctor` look at the file."""
    database = str(world.processes.database)
    words = [sys.executable, "-m", "scheduler.cli", "doctor", "--db", database]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode or "warning" in done.stdout:
        world.ledger.wrong.append(("P5", f"doctor: {done.stdout}{done.stderr}"))
