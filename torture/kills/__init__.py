"""Kills the processes that share a file with kill -9, at random moments, under load.

Six agents enqueue, claim, complete, fail and cancel, four through a `headrace mcp` of their own
and two through one `headrace serve`. One of these processes owns the file; it, the others, and
those that have just been started are killed over and over. After each kill everything that was
acknowledged is looked up in the file, and at the end all work must come to its end.

The seed decides who does what and when; how the processes interleave is the machine's affair.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import trio

from torture.kills.world import World, doctor
from torture.parts import Budget, Outcome, Violation
from torture.processes.running import Processes
from torture.processes.starting import Starter, starter

KILLS_A_ROUND = 100
DRAIN = 15.0  # seconds that the end of a round may take, for planning; or a part of the time:
DRAIN_PART = 0.6
BETWEEN = 0.02, 0.3  # seconds between a kill and the next
SHORTLY_AFTER = 0.004  # seconds after a call was answered: the next ones are under way
VICTIMS = {"owner": 55, "other": 22, "server": 15, "all": 8}
LONGEST_STAY = 2.0  # seconds, after the client has gone


@dataclass
class Totals:
    """Of all rounds."""

    rounds: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    checks: int = 0
    answered: int = 0
    unknown: int = 0
    repeated: int = 0
    stale: int = 0
    acknowledged: int = 0
    ended: int = 0
    after_owner: list[float] = field(default_factory=list)
    stayed: float = 0.0
    slowest: float = 0.0
    broken: Counter[str] = field(default_factory=Counter)


def run(budget: Budget) -> Outcome:
    """Rounds of a hundred kills, each on a new file, until the time is up."""
    outcome, totals = Outcome(), Totals()
    drain = min(DRAIN, DRAIN_PART * budget.seconds)
    ends = time.monotonic() + budget.seconds - drain
    with starter() as processes:
        while not totals.rounds or time.monotonic() < ends:
            seed = budget.seed + totals.rounds
            one_round(processes, seed, budget.folder, ends, totals, outcome)
    outcome.counts = figures(totals)
    return outcome


def one_round(
    starting: Starter,
    seed: int,
    folder: Path,
    ends: float,
    totals: Totals,
    outcome: Outcome,
    kills: int = KILLS_A_ROUND,
) -> None:
    """Kill, drain, look; a file with a violation is kept."""
    place = Path(tempfile.mkdtemp(prefix=f"kills-{seed}-", dir=folder))
    world = World(Processes(starting, place / "tasks.db"), random.Random(seed))
    trio.run(_campaign, world, max(0.0, ends - time.monotonic()), kills)
    doctor(world)
    if world.processes.stayed > LONGEST_STAY:
        what = f"a session stayed {world.processes.stayed:.1f} s after its client had gone"
        world.ledger.wrong.append(("P8", what))
    again = f"python -m torture --only kills --seed {seed}"
    outcome.violations += [Violation(promise, what, again) for promise, what in world.ledger.wrong]
    _add(totals, world)
    if not world.ledger.wrong:
        shutil.rmtree(place)


async def _campaign(world: World, seconds: float, kills: int) -> None:
    async with trio.open_nursery() as nursery:
        world.start(nursery)
        with trio.move_on_after(seconds):
            await kill(world, kills)
        await world.goes_on()
        await world.drain()


async def kill(world: World, times: int) -> None:
    """Kill one after the other, and see after each that work goes on and nothing is lost."""
    chance = world.chance
    while world.kills.total() < times:
        await trio.sleep(chance.uniform(*BETWEEN))
        if chance.random() < 0.5:
            await world.goes_on()
            await trio.sleep(chance.uniform(0, SHORTLY_AFTER))
        victim = chance.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        if not _strike(world, victim):
            continue
        seconds = await world.goes_on()
        if victim in ("owner", "all"):
            world.answered_after.append(seconds)
        world.check()


def _strike(world: World, victim: str) -> bool:
    owner, live = world.processes.owner(), world.processes.live
    match victim:
        case "owner":
            return owner is not None and world.kill(owner, "owner")
        case "server":
            server = world.server
            role = "owning server" if server is owner else "server"
            return server is not None and world.kill(server, role)
        case "other":
            others = [one for one in live if one is not owner and one is not world.server]
            return bool(others) and world.kill(world.chance.choice(others), "other")
        case _:
            return sum(world.kill(one, "all at once") for one in list(live)) > 0


def _add(totals: Totals, world: World) -> None:
    totals.rounds += 1
    totals.kills += world.kills
    totals.checks += world.checks
    totals.answered += world.traffic.answered
    totals.unknown += world.traffic.unknown
    totals.repeated += world.traffic.repeated
    totals.stale += world.traffic.stale
    totals.acknowledged += len(world.ledger.names)
    totals.ended += len(world.ledger.told)
    totals.after_owner += world.answered_after
    totals.stayed = max(totals.stayed, world.processes.stayed)
    totals.slowest = max(totals.slowest, world.traffic.slowest)
    totals.broken += Counter(promise for promise, _ in world.ledger.wrong)


def figures(totals: Totals) -> dict[str, float]:
    """The counts of an outcome."""
    after = sorted(totals.after_owner) or [0.0]
    return {
        "kills": totals.kills.total(),
        **{f"kills: {role}": count for role, count in sorted(totals.kills.items())},
        "rounds": totals.rounds,
        "checks of the file": totals.checks,
        "calls answered": totals.answered,
        "calls with unknown outcome": totals.unknown,
        "of these repeated": totals.repeated,
        "stale tokens tried": totals.stale,
        "tasks acknowledged": totals.acknowledged,
        "ends acknowledged": totals.ended,
        "lost": totals.broken["P1"],
        "duplicated": totals.broken["P2"],
        "answered again after, median s": round(after[len(after) // 2], 3),
        "answered again after, longest s": round(after[-1], 3),
        "slowest call s": round(totals.slowest, 3),
        "stayed after its client, longest s": round(totals.stayed, 3),
    }
