"""Lets eight agents work for a long time, and watches what the owner of the file takes.

The owner is a `headrace serve` that forgets tasks soon after their end; two agents reach it over
HTTP, six through a `headrace mcp` each, which leaves and comes anew now and then, in order or by
kill -9. Memory, descriptors and the file must have their size by half-time, and keep it; the log
must stay small all the time.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import trio

from torture.kills import file
from torture.parts import Budget, Outcome, Violation
from torture.processes.conversation import SessionEndedError
from torture.processes.running import Processes, Running
from torture.processes.starting import Starter, starter
from torture.soak.laborer import Laborer
from torture.soak.watching import Sample, growth, level, sample

OVER_STDIO, OVER_HTTP = 6, 2
RETENTION = 10.0  # seconds
OVERDUE = 30.0  # seconds; they are looked through every five
SESSION = 5.0, 30.0  # seconds that a session lasts
KILLED = 0.3  # of the sessions
EVERY = 0.5  # seconds between two samples
MIB = 1024 * 1024
LARGEST_LOG = 64 * MIB
MEMORY_GROWTH = 6 * MIB  # in the second half
DESCRIPTOR_GROWTH = 4
FILE_GROWTH = 8 * MIB


class Soak:
    """The agents, and what was seen of the owner."""

    def __init__(self, starting: Starter, budget: Budget) -> None:
        self.done: Counter[str] = Counter()
        self.samples: list[Sample] = []
        self.wrong: list[tuple[str, str]] = []
        self.processes = Processes(starting, budget.folder / "tasks.db")
        self._seconds = budget.seconds
        self._chance = random.Random(budget.seed)

    async def run(self) -> None:
        """Until the time is up."""
        with self.processes.server(module="torture.soak.owner", before=[str(RETENTION)]) as owner:
            await (await self.processes.client(owner)).aclose()  # it serves
            with trio.move_on_after(self._seconds):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._watch, owner)
                    for place in range(OVER_STDIO + OVER_HTTP):
                        seat = self._over_stdio if place < OVER_STDIO else self._over_http
                        laborer = Laborer(f"a{place}", random.Random(self._chance.random()))
                        nursery.start_soon(seat, laborer, owner)
            self._look_at_what_is_kept()

    def _look_at_what_is_kept(self) -> None:
        """Tasks that ended long ago have been forgotten."""
        database = self.processes.database
        self.done["tasks on record at the end"] = len(file.read(database).rows)
        old = file.ended_before(database, time.time() - RETENTION - OVERDUE)
        if old:
            self.wrong.append(("flat", f"{old} tasks should have been pruned {OVERDUE:g} s ago"))

    async def _watch(self, owner: Running) -> None:
        began = time.monotonic()
        while True:
            await trio.sleep(EVERY)
            if self.processes.has_gone(owner):
                self.wrong.append(("P6", f"the owner has gone: {self.processes.story(owner)}"))
                return
            self.samples.append(
                sample(time.monotonic() - began, owner.pid, self.processes.database)
            )

    async def _over_stdio(self, laborer: Laborer, _owner: Running) -> None:
        while True:
            async with self.processes.session() as (running, session):
                with trio.move_on_after(self._chance.uniform(*SESSION)):
                    await session.start()
                    await laborer.work(session, self.done)
                self.done["sessions"] += 1
                if self._chance.random() < KILLED:
                    self.processes.kill(running)

    async def _over_http(self, laborer: Laborer, owner: Running) -> None:
        while True:
            client = await self.processes.client(owner)
            with suppress(SessionEndedError), trio.move_on_after(self._chance.uniform(*SESSION)):
                await laborer.work(client, self.done)
            await client.aclose()
            self.done["connections"] += 1


def run(budget: Budget) -> Outcome:
    """One soak of that length."""
    with starter() as starting:
        soak = Soak(starting, budget)
        trio.run(soak.run)
    outcome = Outcome(figures(soak))
    again = f"python -m torture --only soak --seed {budget.seed}"
    soak.wrong += judged(soak.samples)
    outcome.violations = [Violation(promise, what, again) for promise, what in soak.wrong]
    return outcome


def judged(samples: list[Sample]) -> list[tuple[str, str]]:
    """What grew, or was too large."""
    wrong: list[tuple[str, str]] = []
    largest = max((one.log for one in samples), default=0)
    if largest > LARGEST_LOG:
        wrong.append(("WAL", f"the log had {largest / MIB:.0f} MiB"))
    limits: tuple[tuple[str, Callable[[Sample], float], float], ...] = (
        ("memory", lambda one: one.memory, MEMORY_GROWTH),
        ("descriptors", lambda one: one.descriptors, DESCRIPTOR_GROWTH),
        ("the file", lambda one: one.file, FILE_GROWTH),
    )
    for name, of, limit in limits:
        grown = growth(samples, of)
        if grown > limit:
            wrong.append(("flat", f"{name}: {grown:,.0f} more in the second half"))
    return wrong


def figures(soak: Soak) -> dict[str, float]:
    """The counts of an outcome."""
    samples = soak.samples
    counts: dict[str, float] = dict(sorted(soak.done.items()))
    for name, of, unit in (
        ("memory MiB", lambda one: one.memory, MIB),
        ("descriptors", lambda one: one.descriptors, 1),
        ("log MiB", lambda one: one.log, MIB),
        ("file MiB", lambda one: one.file, MIB),
    ):
        counts[f"{name}: second half"] = round(level(samples, of) / unit, 2)
        counts[f"{name}: largest"] = round(max(map(of, samples)) / unit, 2)
        counts[f"{name}: growth in the second half"] = round(growth(samples, of) / unit, 2)
    return counts
