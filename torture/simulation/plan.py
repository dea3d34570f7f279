"""What a world is made of: everything that is decided before it begins."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Literal, get_args

from persistence.store import Durability
from torture.disk import POWER_LOSSES, PowerLoss

Faults = Literal["kill", "stop", "power", "io", "full", "sync", "slow", "clock"]
FAULTS: tuple[Faults, ...] = get_args(Faults)
# What kills a process, and what it may meet without a bad disk.
KILLS: tuple[Faults, ...] = ("kill", "stop", "slow", "clock")
CLIENTS = 8


@dataclass(frozen=True)
class Plan:
    """One world. Times are virtual seconds.

    `every`: the mean time between two faults. `retention`: finished tasks are forgotten after
    it. `checkpoint_pages`, `inline_rows`: what the persister takes for much. `migrated`: whether
    the world begins with a file that has its tables. `grid`: clients act at multiples of it, so
    that several act at once; 0: whenever they like. `power`: how much a power loss takes.
    """

    seed: int
    steps: int
    durability: Durability = "synced"
    faults: frozenset[Faults] = frozenset(FAULTS)
    clients: int = CLIENTS
    every: float = 4.0
    retention: float = inf
    checkpoint_pages: int = 2_000
    inline_rows: int = 256
    max_unsaved: int = 2_000
    migrated: bool = True
    grid: float = 0.25
    power: tuple[PowerLoss, ...] = POWER_LOSSES


def drawn(
    seed: int,
    steps: int | None = None,
    durability: Durability = "synced",
    faults: Collection[Faults] = FAULTS,
    power: tuple[PowerLoss, ...] = POWER_LOSSES,
) -> Plan:
    """A plan from a seed: some of these faults (of one or two, each), and some odd sizes."""
    rng = Random(f"plan {seed}")
    chosen = frozenset(fault for fault in faults if len(faults) < 3 or rng.random() < 0.6)
    return Plan(
        seed,
        rng.randrange(500, 2_001) if steps is None else steps,
        durability,
        chosen,
        every=rng.choice([1.0, 4.0, 4.0, 15.0]),
        retention=rng.choice([inf, inf, inf, 30.0]),
        checkpoint_pages=rng.choice([20, 100, 2_000]),
        inline_rows=rng.choice([4, 256, 256]),
        max_unsaved=rng.choice([8, 2_000, 2_000]),
        migrated=rng.random() < 0.9,
        grid=rng.choice([0.0, 0.25, 1.0]),
        power=power,
    )
