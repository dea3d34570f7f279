"""Tries to break the promises for some minutes: `python -m torture --minutes 10 --seed 1`.

Two parts run at a time, each in a process of its own, and share the minutes by weight. The seed is
printed, and each violation with the command that shows it again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from torture.playing import WEIGHTS, Played, play

AT_A_TIME = 2
NIGHTLY = 480.0  # minutes


def main() -> int:
    """Run the parts that the options name; 1 if a promise was broken."""
    options = _options()
    names = options.only or list(WEIGHTS)
    print(f"seed {options.seed}: {', '.join(names)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="torture-", dir=options.folder) as folder:
        played = _play_all(names, _seconds(names, options), options.seed, Path(folder))
    for one in played:
        print(_story(one))
    if options.results is not None:
        facts = {"seed": options.seed, "parts": [asdict(one) for one in played]}
        options.results.write_text(json.dumps(facts, indent=1) + "\n")
    broken = [violation for one in played for violation in one.outcome.violations]
    failed = [one.name for one in played if one.error is not None]
    print(f"{len(broken)} violations" + (f"; could not go on: {', '.join(failed)}" * bool(failed)))
    return 1 if broken or failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=10.0, help="for all parts together")
    length.add_argument("--seconds", type=float, help="for each part")
    length.add_argument("--nightly", action="store_true", help="as --minutes 480")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--only", nargs="+", choices=list(WEIGHTS), metavar="PART")
    parser.add_argument("--folder", type=Path, help="for files, on a disk")
    parser.add_argument("--results", type=Path, help="a JSON file to write")
    return parser.parse_args()


def _seconds(names: list[str], options: argparse.Namespace) -> dict[str, float]:
    """How long each part may take."""
    if options.seconds is not None:
        return dict.fromkeys(names, options.seconds)
    minutes = NIGHTLY if options.nightly else options.minutes
    share = minutes * 60 * min(AT_A_TIME, len(names)) / sum(WEIGHTS[name] for name in names)
    return {name: share * WEIGHTS[name] for name in names}


def _play_all(names: list[str], seconds: dict[str, float], seed: int, folder: Path) -> list[Played]:
    """Longest first, so that both processes end at about the same time."""
    began = time.monotonic()
    played: dict[str, Played] = {}
    spawn = multiprocessing.get_context("spawn")  # a fork would share what a part has imported
    with ProcessPoolExecutor(AT_A_TIME, mp_context=spawn, max_tasks_per_child=1) as pool:
        futures = [
            pool.submit(play, name, seconds[name], seed, folder / name)
            for name in sorted(names, key=seconds.__getitem__, reverse=True)
        ]
        for future in as_completed(futures):
            one = future.result()
            played[one.name] = one
            print(f"{time.monotonic() - began:6.0f} s  {one.name} has ended", flush=True)
    return [played[name] for name in names]


def _story(one: Played) -> str:
    counts = ", ".join(f"{name} {value:,.6g}" for name, value in one.outcome.counts.items())
    lines = [f"{one.name}: {one.seconds:.0f} s; {counts}"]
    if one.error is not None:
        lines.append(f"    could not go on: {one.error}")
    for violation in one.outcome.violations:
        lines += [f"    {violation.promise}: {violation.what}", f"        {violation.again}"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
