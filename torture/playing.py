"""One part of the torture, played in this process."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from torture.parts import Budget, Outcome, Part

WEIGHTS = {  # by module of `torture`: shares of the time
    "simulation": 6,
    "machines": 3,
    "kills": 4,
    "races": 2,
    "full_disk": 2,
    "fuzz": 3,
    "soak": 2,
    "resumed_runs": 1,
    "endings": 1,
    "restart": 1,
}


@dataclass
class Played:
    """A part that has ended; `error` is what kept it from going on, if anything did."""

    name: str
    seconds: float
    outcome: Outcome
    error: str | None = None


def play(name: str, seconds: float, seed: int, folder: Path) -> Played:
    """Run a part for so many seconds; an error of its own is told, not raised."""
    folder.mkdir()
    began = time.monotonic()
    outcome, error = Outcome(), None
    try:
        run: Part = import_module(f"torture.{name}").run
        outcome = run(Budget(seconds, seed, folder))
    except Exception:
        error = traceback.format_exc()
    return Played(name, time.monotonic() - began, outcome, error)
