"""What happens to a world: deaths, bad disks, wrong clocks; one after the other, from the seed."""

from __future__ import annotations

from math import inf
from random import Random
from typing import cast

import trio

from torture.disk import Fault, Operation, Trouble
from torture.simulation.plan import Faults
from torture.simulation.world import World

SOON = 60  # operations within which a death strikes
LONGEST = 600.0  # seconds by which the clock may be wrong: receipts are kept for an hour


class Troubles:
    """See the module."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._disk = world.lives.disk
        self._rng = Random(f"troubles {world.plan.seed}")

    async def run(self) -> None:
        """One trouble after the other, until cancelled."""
        kinds = sorted(self._world.plan.faults)
        while kinds:
            await trio.sleep(self._rng.expovariate(1 / self._world.plan.every))
            kind = self._rng.choice(kinds)
            self._world.faults[kind] += 1
            self._world.stepped("world", kind, await self._happen(kind))

    async def _happen(self, kind: Faults) -> str:
        match kind:
            case "kill":
                return self._strike("kill", self._disk.kill)
            case "stop":
                self._world.lives.end.set()
                return "now"
            case "power":
                mode = self._rng.choice(self._world.plan.power)
                return self._strike(mode, lambda: self._disk.power_loss(mode))
            case "slow":
                return await self._slow()
            case "clock":
                return self._step_clock()
            case _:
                return await self._fail(kind)

    def _strike(self, trouble: Trouble, now: object) -> str:
        """Let somebody die: now, or in the middle of what the disk does next."""
        assert callable(now)
        if self._rng.random() < 0.3:
            now()
            return f"{trouble} now"
        at = self._rng.randrange(1, SOON)
        self._disk.inject(Fault(trouble, at=at))
        return f"{trouble} at {at}"

    async def _fail(self, kind: Faults) -> str:
        """Operations fail: one, some, or all for a while."""
        rng = self._rng
        trouble: Trouble = "full" if kind == "full" else "io"
        operations: list[Operation]
        if kind == "full":
            operations = ["write", "map"]
        elif kind == "sync":
            operations = ["sync"]
        else:
            operations = cast("list[Operation]", rng.choice((
                ["write"], ["read"], ["truncate", "delete"], ["open", "access", "size"],
                ["read", "write", "sync", "truncate", "open", "size", "delete", "access", "map"],
            )))  # fmt: skip
        on = rng.choice(("", "", "-wal"))
        fault = Fault(trouble, rng.randrange(1, 20), operations, on=on)
        fault.times = rng.choice((1, 1, 3, inf))
        fault.chance = rng.choice((1.0, 0.5))
        lasts = rng.choice((0.05, 1.0, 5.0, 25.0)) if fault.times == inf else 0.0
        if kind == "full" and rng.random() < 0.4:
            self._disk.capacity = self._disk.used() + rng.randrange(20_000)
            lasts = rng.choice((1.0, 25.0))
        else:
            self._disk.inject(fault)
        if lasts:
            await trio.sleep(lasts)
            self._disk.heal()
        return f"{'/'.join(operations)} {on} {fault.times} {lasts}"

    async def _slow(self) -> str:
        """Every sync takes its time, for a while."""
        seconds = self._rng.choice((0.002, 0.02, 0.3, 12.0))
        self._disk.latency = {"sync": seconds}
        await trio.sleep(self._rng.choice((1.0, 10.0)))
        self._disk.latency = {}
        return f"{seconds}"

    def _step_clock(self) -> str:
        """Somebody sets the clock."""
        lives = self._world.lives
        seconds = self._rng.choice((-300.0, -30.0, -1.0, 1.0, 8.0, 30.0, 300.0))
        if abs(lives.wall_offset + seconds) > LONGEST:
            seconds = -lives.wall_offset
        lives.set_clock(seconds)
        return f"{seconds:+g}"

    def end(self) -> None:
        """The world is sound from now on."""
        self._disk.heal()
        self._disk.latency = {}
