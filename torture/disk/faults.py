"""What can go wrong with the simulated disk, and when."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from math import inf
from typing import Literal, get_args

# What is counted, and can fail. `map` is the shared memory of the log's index.
Operation = Literal["open", "read", "write", "truncate", "sync", "size", "delete", "access", "map"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
# `io`: the device fails. `full`: no space is left. `kill`: the process dies in this operation.
# The others cut the power: see `Disk.power_loss`.
Trouble = Literal["io", "full", "kill", "dropped", "torn", "reordered"]
PowerLoss = Literal["dropped", "torn", "reordered"]
POWER_LOSSES: tuple[PowerLoss, ...] = get_args(PowerLoss)


@dataclass
class Fault:
    """Trouble with the `at`-th operation of some kinds from now on (1: the next one).

    `times` is how many such operations fail, one after the other; inf: all until `Disk.heal`.
    `chance` lets each of them fail with this probability only. `on` is the end of the names of
    the files that it strikes: "-wal", "" for every file.
    """

    trouble: Trouble = "io"
    at: int = 1
    operations: Collection[Operation] = OPERATIONS
    times: float = 1
    chance: float = 1.0
    on: str = ""
    passed: int = field(default=0, init=False)  # operations that it has seen

    @property
    def over(self) -> bool:
        """Whether it can strike no more."""
        return self.passed >= self.at - 1 + self.times


def lasting(trouble: Trouble = "io", at: int = 1, **which: object) -> Fault:
    """A fault that stays until the disk is healed."""
    return Fault(trouble, at, times=inf, **which)  # type: ignore[arg-type]
