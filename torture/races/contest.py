"""Runs the agents of a race, kills them, and tries tokens that are stale."""

from __future__ import annotations

import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from torture.processes.conversation import Caller, SessionEndedError, ToolError
from torture.processes.running import Processes
from torture.processes.starting import HEADRACE, Starter, open_log
from torture.races.agent import result_of
from torture.races.journal import Event, Journal, read

KINDS = ("mcp", "embedded", "mcp", "embedded", "mcp", "embedded", "mcp", "mcp")  # of the agents
KILL_EVERY = 0.3  # seconds
TRY_EVERY = 0.1  # seconds
LOOK_EVERY = 0.02  # seconds
TAIL = 20  # events of a journal
LEAVING_TIME = 5.0  # seconds for what is left of an agent when a part of it was killed


@dataclass
class Life:
    """An agent that runs: its own process, and that of its session if it has one."""

    name: str
    agent: int
    session: int | None
    killed: bool = False

    @property
    def pids(self) -> list[int]:
        return [pid for pid in (self.agent, self.session) if pid is not None]


class Contest:
    """See the module; `died` says when an agent or its session was killed, by name."""

    def __init__(self, starting: Starter, database: Path, chance: random.Random) -> None:
        self.died: dict[str, float] = {}
        self.kills: Counter[str] = Counter()
        self.wrong: list[tuple[str, str]] = []
        self._starting = starting
        self._database = database
        self._chance = chance
        self._lives: dict[int, Life] = {}  # by seat
        self._journals = [database.with_name(f"{seat}.journal") for seat in range(len(KINDS))]
        self._over = trio.Event()

    async def run(self, seconds: float) -> None:
        """Until all tasks are completed, or so long."""
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._kill)
                nursery.start_soon(self._try_stale_tokens)
                async with trio.open_nursery() as agents:
                    for seat, kind in enumerate(KINDS):
                        agents.start_soon(self._seat, seat, kind)
                nursery.cancel_scope.cancel()
        for life in self._lives.values():
            for pid in life.pids:
                self._starting.kill(pid)

    # ------------------------------------------------------------- agents

    async def _seat(self, seat: int, kind: str) -> None:
        """One life after the other, until one finds everything done."""
        lives = 0
        while True:
            lives += 1
            life = self._start(seat, kind, f"{kind}-{seat}.{lives}")
            self._lives[seat] = life
            code = await self._ended(life.agent)
            if life.session is not None:
                with trio.move_on_after(LEAVING_TIME) as limit:
                    await self._ended(life.session)
                if limit.cancelled_caught:
                    self.wrong.append(("P8", f"{life.name}: its session stayed when it had gone"))
                    self._starting.kill(life.session)
            if code == 0:
                return
            if not life.killed:
                log = self._log(seat).read_text(errors="replace")[-600:]
                self.wrong.append(("P7", f"{life.name} ended by itself with {code}: {log}"))

    def _start(self, seat: int, kind: str, name: str) -> Life:
        journal, seed = str(self._journals[seat]), str(self._chance.randrange(1 << 30))
        words = [kind, str(self._database), journal, name, seed]
        log = open_log(self._log(seat))
        opened = [log]
        try:
            if kind == "embedded":
                quiet = os.open(os.devnull, os.O_RDWR)
                opened.append(quiet)
                return Life(name, self._agent(words, (quiet, quiet, log)), None)
            questions, ask = os.pipe()
            answers, answer = os.pipe()
            opened += [questions, ask, answers, answer]
            mcp = ["mcp", "--tools", "all", "--db", str(self._database)]
            session = self._starting.start(mcp, (questions, answer, log), module=HEADRACE)
            return Life(name, self._agent(words, (answers, ask, log)), session)
        finally:
            for stream in opened:
                os.close(stream)

    def _agent(self, words: Sequence[str], streams: Sequence[int]) -> int:
        return self._starting.start(words, streams, module="torture.races.agent")

    def _log(self, seat: int) -> Path:
        return self._database.with_name(f"{seat}.log")

    async def _ended(self, pid: int) -> int:
        while (code := self._starting.ended(pid)) is None:
            await trio.sleep(LOOK_EVERY)
        return code

    # ------------------------------------------------------------- attacks

    async def _kill(self) -> None:
        while True:
            await trio.sleep(KILL_EVERY)
            life = self._chance.choice(list(self._lives.values()))
            pid = self._chance.choice(life.pids)
            life.killed = True
            self.died.setdefault(life.name, time.monotonic())
            if self._starting.kill(pid):
                part = "session" if pid == life.session else life.name.partition("-")[0] + " agent"
                self.kills[f"killed: {part}"] += 1

    async def _try_stale_tokens(self) -> None:
        """From a session of its own: the oldest token of tasks that were handed on."""
        journal = Journal(self._database.with_name("thief.journal"))
        known: dict[str, dict[str, float]] = defaultdict(dict)  # task: token: when it was heard
        processes = Processes(self._starting, self._database)
        while True:
            try:
                async with processes.session() as (_, session):
                    await session.start()
                    await self._steal(session, journal, known)
            except SessionEndedError:
                self.wrong.append(("P7", "a session that nobody killed has ended"))

    async def _steal(
        self, session: Caller, journal: Journal, known: dict[str, dict[str, float]]
    ) -> None:
        while True:
            await trio.sleep(TRY_EVERY)
            path = self._chance.choice(self._journals)
            for event in list(read([path] if path.exists() else []))[-TAIL:]:
                if event.call == "claim" and event.heard is not None:
                    known[event.task][event.token] = event.heard
            handed_on = [task for task, tokens in known.items() if len(tokens) > 1]
            if handed_on:
                task = self._chance.choice(handed_on[-20:])
                oldest = min(known[task], key=known[task].__getitem__)
                call = self._chance.choice(("complete", "heartbeat", "release"))
                await self._try(session, journal, task, oldest, call)

    async def _try(
        self, session: Caller, journal: Journal, task: str, token: str, call: str
    ) -> None:
        event = Event("thief", call, task, token, time.monotonic())
        journal.write(event)
        outcome = "ok"
        try:
            more = {"result": result_of(token)} if call == "complete" else {}
            await session.call(f"task_{call}", task_id=task, lease_token=token, **more)
        except ToolError as error:
            outcome = error.code
        journal.write(event._replace(heard=time.monotonic(), outcome=outcome))
