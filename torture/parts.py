"""What every part of the torture takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Budget:
    """How long a part may run, from which seed, and where it may leave files."""

    seconds: float
    seed: int
    folder: Path  # empty, its own, on a disk


@dataclass(frozen=True)
class Violation:
    """A promise that was broken, and the command that shows it again."""

    promise: str  # "P1"
    what: str
    again: str


@dataclass
class Outcome:
    """What a part did: `counts` are its figures in the order to print (`steps`, `kills`, ...)."""

    counts: dict[str, float] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)


Part = Callable[[Budget], Outcome]
