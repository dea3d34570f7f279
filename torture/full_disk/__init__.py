"""Fills the disk under the program as it is, or breaks it, over and over.

Agents work through sessions that share a file. Then the disk fails: behind a shim that is loaded
into the processes, in the ways of `disks.FAULTS`; or because it is small and full. Calls may be
refused then, with what to do; reads go on; nobody exits. As soon as the disk works again so must
everything, without a restart, and nothing that was acknowledged may be lost. Sometimes the owner
is killed meanwhile, so that another one has to take over on the failing disk.
"""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import trio

from torture.full_disk.disks import Disk, disks
from torture.full_disk.reader import Reader
from torture.kills.world import World, doctor
from torture.parts import Budget, Outcome, Violation
from torture.processes.running import Processes
from torture.processes.starting import starter

FAULTS_A_ROUND = 8
DRAIN = 15.0  # seconds that the end of a round may take, for planning; or a part of the time:
DRAIN_PART = 0.5
SHORT, LONG = (0.3, 3.0), (11.0, 13.0)  # seconds; callers wait ten before they are refused
LONG_ONES = 0.15
KILLED = 0.2  # of the faults kill the owner too
HEALED_WITHIN = 15.0  # seconds
EXCUSED_FOR = 3.0  # seconds after the disk works again


@dataclass
class Totals:
    """Of all rounds."""

    rounds: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    felt: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    refusals: int = 0
    unknown: int = 0
    reads: int = 0
    slowest_read: float = 0.0
    healed_after: list[float] = field(default_factory=list)
    acknowledged: int = 0
    ended: int = 0
    broken: Counter[str] = field(default_factory=Counter)


@dataclass
class Round:
    """A world on a disk that fails."""

    world: World
    disk: Disk
    reader: Reader
    faults: Counter[str] = field(default_factory=Counter)
    felt: int = 0  # faults in whose second half nothing could be changed
    healed_after: list[float] = field(default_factory=list)


def run(budget: Budget) -> Outcome:
    """Rounds on the kinds of disks that can be had here, in turn, until the time is up."""
    outcome, totals = Outcome(), Totals()
    ends = time.monotonic() + budget.seconds - min(DRAIN, DRAIN_PART * budget.seconds)
    with disks(budget.folder) as kinds:
        if not kinds:
            outcome.counts["skipped: no compiler, and no right to mount"] = 1
            return outcome
        while totals.rounds < len(kinds) or time.monotonic() < ends:
            seed = budget.seed + totals.rounds
            disk = kinds[seed % len(kinds)](Path(f"round-{seed}"))
            one_round(disk, seed, ends, totals, outcome)
    outcome.counts = figures(totals)
    return outcome


def one_round(
    disk: Disk,
    seed: int,
    ends: float,
    totals: Totals,
    outcome: Outcome,
    faults: int = FAULTS_A_ROUND,
) -> None:
    """Faults, drain, look; a file with a violation is kept."""
    with starter(disk.environment) as starting:
        chance = random.Random(seed)
        processes = Processes(starting, disk.folder / "tasks.db")
        world = World(processes, chance, over_stdio=3, over_http=1, doomed=0.0)
        reader = Reader(world.ledger, world.traffic, random.Random(chance.random()))
        this = Round(world, disk, reader)
        trio.run(_campaign, this, max(0.0, ends - time.monotonic()), faults)
    doctor(world)
    again = f"python -m torture --only full_disk --seed {seed}"
    outcome.violations += [Violation(promise, what, again) for promise, what in world.ledger.wrong]
    _add(totals, this)
    if not world.ledger.wrong:
        shutil.rmtree(disk.folder)


async def _campaign(this: Round, seconds: float, faults: int) -> None:
    world = this.world
    async with trio.open_nursery() as nursery:
        world.start(nursery)
        nursery.start_soon(world.seat, this.reader, world.stdio, nursery)
        with trio.move_on_after(seconds):
            while this.faults.total() < faults:
                await trio.sleep(world.chance.uniform(0.1, 0.5))
                await world.goes_on()
                await _fault(this)
        this.disk.heal()
        await world.drain()


async def _fault(this: Round) -> None:
    """Let the disk fail for a while, and see everything go on once it works again."""
    world, chance = this.world, this.world.chance
    fault = chance.choice(this.disk.faults)
    long = chance.random() < LONG_ONES
    seconds = chance.uniform(*(LONG if long else SHORT))
    this.faults[fault.name] += 1
    world.traffic.trouble_until = inf
    this.disk.fail(fault)
    try:
        await trio.sleep(seconds / 2)
        half = time.monotonic()
        owner = world.processes.owner()
        if chance.random() < KILLED and owner is not None:
            this.reader.excused = True
            world.kill(owner, "owner")
        await trio.sleep(seconds / 2)
        this.felt += world.traffic.changed < half
    finally:
        this.disk.heal()
        world.traffic.trouble_until = time.monotonic() + EXCUSED_FOR
    this.healed_after.append(await _healed(this))
    this.reader.excused = False
    world.check()


async def _healed(this: Round) -> float:
    """Seconds from now until a change is made that was asked for from now on."""
    began = time.monotonic()
    while this.world.traffic.changed < began:
        if time.monotonic() - began > HEALED_WITHIN:
            what = f"no change was made for {HEALED_WITHIN:g} s after the disk worked again"
            this.world.ledger.wrong.append(("P6", what))
            break
        await trio.sleep(0.005)
    return time.monotonic() - began


def _add(totals: Totals, this: Round) -> None:
    world, traffic = this.world, this.world.traffic
    totals.rounds += 1
    totals.faults += Counter({f"{this.disk.name}: {name}": n for name, n in this.faults.items()})
    totals.felt[f"{this.disk.name}: nothing could be changed"] += this.felt
    totals.kills += world.kills.total()
    totals.refusals += traffic.refusals
    totals.unknown += traffic.unknown
    totals.reads += this.reader.reads
    totals.slowest_read = max(totals.slowest_read, this.reader.slowest)
    totals.healed_after += this.healed_after
    totals.acknowledged += len(world.ledger.names)
    totals.ended += len(world.ledger.told)
    totals.broken += Counter(promise for promise, _ in world.ledger.wrong)


def figures(totals: Totals) -> dict[str, float]:
    """The counts of an outcome."""
    healed = sorted(totals.healed_after) or [0.0]
    return {
        "rounds": totals.rounds,
        "faults": totals.faults.total(),
        **dict(sorted(totals.faults.items())),
        **dict(sorted(totals.felt.items())),
        "owners killed meanwhile": totals.kills,
        "refusals": totals.refusals,
        "calls with unknown outcome": totals.unknown,
        "reads": totals.reads,
        "slowest read s": round(totals.slowest_read, 3),
        "healed after, median s": round(healed[len(healed) // 2], 3),
        "healed after, longest s": round(healed[-1], 3),
        "tasks acknowledged": totals.acknowledged,
        "ends acknowledged": totals.ended,
        "lost": totals.broken["P1"],
        "duplicated": totals.broken["P2"],
    }
