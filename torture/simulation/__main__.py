"""The simulation's figures one by one: `python -m torture.simulation --steps 1000000`."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import get_args

from persistence.store import Durability
from torture.disk import POWER_LOSSES
from torture.simulation.campaign import campaign, mixed, of_one_kind
from torture.simulation.plan import FAULTS, KILLS, Plan
from torture.simulation.running import Result, run_world


def main() -> int:
    """Run what the options say; 1 if a promise was broken."""
    options = _options()
    plan: Callable[[int], Plan] = mixed
    if options.durability is not None or options.faults is not None:
        faults = {"all": FAULTS, "kills": KILLS}.get(options.faults or "all")
        plan = of_one_kind(
            options.durability or "synced",
            tuple(options.faults.split(",")) if faults is None else faults,
            tuple(options.power.split(",")),
            options.world_steps,
        )
    with tempfile.TemporaryDirectory() as folder:
        if options.trace:
            logging.getLogger("headrace").setLevel(logging.CRITICAL)
            return _show(run_world(plan(options.seed), Path(folder), keep=True))
        before = time.monotonic()
        outcome = campaign(
            plan,
            Path(folder),
            options.seed,
            seconds=options.seconds,
            steps=options.steps,
            worlds=options.worlds,
        )
    for name, count in outcome.counts.items():
        print(f"{name:16}{count:>12,}")
    print(f"{'seconds':16}{time.monotonic() - before:>12,.0f}")
    for violation in outcome.violations:
        print(f"{violation.promise}: {violation.what}\n    {violation.again}")
    return 1 if outcome.violations else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m torture.simulation")
    parser.add_argument("--seed", type=int, default=0, help="of the first world")
    parser.add_argument("--steps", type=float, default=inf, help="in all worlds together")
    parser.add_argument("--worlds", type=float, default=inf)
    parser.add_argument("--seconds", type=float, default=inf)
    parser.add_argument("--durability", choices=get_args(Durability))
    parser.add_argument("--faults", help=f"all, kills, or some of {','.join(FAULTS)}")
    parser.add_argument("--power", default=",".join(POWER_LOSSES), help="kinds of power losses")
    parser.add_argument("--world-steps", type=int, help="steps of each world")
    parser.add_argument("--trace", action="store_true", help="print each step of one world")
    return parser.parse_args()


def _show(result: Result) -> int:
    print(result.plan, *result.lines, f"fingerprint {result.digest}", sep="\n")
    print("nothing is broken" if result.broken is None else f"BROKEN {result.broken}")
    return 0 if result.broken is None else 1


if __name__ == "__main__":
    sys.exit(main())
