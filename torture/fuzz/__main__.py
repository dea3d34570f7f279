"""One case of the fuzz again, or all of it: `python -m torture.fuzz [PART --seed S --case N]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from torture import fuzz
from torture.fuzz import confined, files, processes, requests, specimen, wire, workflows
from torture.parts import Budget


def main() -> int:
    """Run what the command line names; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m torture.fuzz", description=fuzz.__doc__)
    parser.add_argument("part", nargs="?", choices=sorted(fuzz.PARTS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="only this one")
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if given.part is not None and given.case is not None:
            result = again(given.part, given.seed, given.case, Path(name))
            print(result)
            return int(bool(result.wrong))
        return _all_of(Budget(given.seconds, given.seed, Path(name)))


def again(part: str, seed: int, number: int, folder: Path) -> Any:
    """One case; what became of it."""
    match part:
        case "wire":
            return wire.play(seed, number)
        case "requests":
            return requests.play(seed, number, folder)
        case "workflows":
            return workflows.judge(seed, number, folder)
        case "files":
            kind, place = confined.kind_of(number)
            return files.judge(kind, seed, place, specimen.make(folder), folder)
        case _:
            return processes.sample(seed, number, specimen.make(folder), folder)


def _all_of(budget: Budget) -> int:
    begun = time.monotonic()
    outcome = fuzz.run(budget)
    for name, count in outcome.counts.items():
        print(f"{count:>10,.0f}  {name}")
    for violation in outcome.violations:
        print(f"{violation.promise}: {violation.what}\n    {violation.again}")
    print(f"seed {budget.seed}, {time.monotonic() - begun:.0f} s")
    return int(bool(outcome.violations))


if __name__ == "__main__":
    sys.exit(main())
