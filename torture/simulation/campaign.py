"""World after world, until there were enough; and what all of them came to."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

from persistence.store import Durability
from torture.disk import POWER_LOSSES, PowerLoss
from torture.parts import Budget, Outcome, Violation
from torture.simulation.plan import FAULTS, KILLS, Faults, Plan, drawn
from torture.simulation.running import Result, run_world

MOST_VIOLATIONS = 5  # after which a campaign ends
ORDER = (
    "steps", "worlds", "drained", "lives", "kills", "power_losses", "tasks", "acknowledged",
    "unknown", "forgiven",
)  # fmt: skip


def run(budget: Budget) -> Outcome:
    """Worlds of every kind, from `budget.seed` on, until the time is up."""
    return campaign(mixed, budget.folder, budget.seed, seconds=budget.seconds)


def mixed(seed: int) -> Plan:
    """Of eight worlds, six are `synced` with all faults; the others promise less."""
    match seed % 8:
        case 6:
            return drawn(seed, durability="committed", faults=KILLS)
        case 7:
            return drawn(seed, durability="accepted" if seed % 16 == 7 else "committed")
        case _:
            return drawn(seed)


def of_one_kind(
    durability: Durability = "synced",
    faults: tuple[Faults, ...] = FAULTS,
    power: tuple[PowerLoss, ...] = POWER_LOSSES,
    steps: int | None = None,
) -> Callable[[int], Plan]:
    """Plans from seeds, all of this durability and with these faults.

    `steps` is how long each world is; None: 500 to 2,000, from the seed.
    """

    def plan(seed: int) -> Plan:
        return drawn(seed, steps, durability, faults, power)

    return plan


def campaign(
    plan: Callable[[int], Plan],
    folder: Path,
    seed: int,
    *,
    seconds: float = inf,
    steps: float = inf,
    worlds: float = inf,
    shorter: int = 1,
    again: str = "--only simulation",
) -> Outcome:
    """Run the worlds of `seed`, `seed + 1`, ... until one of the three is reached.

    `shorter` divides the length of each world. `again` is what a command must say, beside the
    seed, to show a violation once more.
    """
    outcome = Outcome(dict.fromkeys(ORDER, 0))
    end = time.monotonic() + seconds
    with _silence():
        while (
            time.monotonic() < end
            and outcome.counts["steps"] < steps
            and outcome.counts["worlds"] < worlds
            and len(outcome.violations) < MOST_VIOLATIONS
        ):
            with TemporaryDirectory(dir=folder) as own:
                world = plan(seed)
                world = replace(world, steps=world.steps // shorter)
                _add(outcome, run_world(world, Path(own)), again)
            seed += 1
    return outcome


def _add(outcome: Outcome, result: Result, again: str) -> None:
    counts = outcome.counts
    for name, count in sorted(result.counts.items()):
        counts[name] = counts.get(name, 0) + count
    if result.broken is None:
        counts["drained"] += 1
        return
    seed = result.plan.seed
    outcome.violations.append(
        Violation(
            result.broken.promise,
            f"{result.broken.what} (after {result.counts['steps']} steps of world {seed})",
            f"python -m torture {again} --seed {seed} --seconds 1",
        )
    )


@contextmanager
def _silence() -> Iterator[None]:
    """The scheduler's log tells of every fault; here they are on purpose."""
    log = logging.getLogger("headrace")
    level, log.level = log.level, logging.CRITICAL + 1
    try:
        yield
    finally:
        log.setLevel(level)
