"""`python -m torture.planted [--only NAME] [--fast]`: which test catches which planted bug."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from torture.planted.bugs import BUGS, Bug
from torture.planted.planting import REST, Catch, copy_tree, look, plant

LIKELY, OTHERS = 120.0, 600.0  # seconds for the tests that should see a bug, and for the rest


def main() -> int:
    """Plant each bug and print the table; 1 if one was not caught."""
    parser = argparse.ArgumentParser(prog="python -m torture.planted", description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="the bugs with this in their name")
    parser.add_argument("--fast", action="store_true", help="only the tests that should see each")
    parser.add_argument("--skip", type=int, default=0, metavar="N", help="leave out the first N")
    given = parser.parse_args()
    bugs = [bug for bug in BUGS if given.only is None or given.only in bug.name][given.skip :]
    print("| bug | breaks | caught by | s |\n|---|---|---|---|", flush=True)
    catches = [_try(bug, fast=given.fast) for bug in bugs]
    caught = sum(bool(catch.by) for catch in catches)
    print(f"\n{caught} of {len(bugs)} caught")
    return int(caught < len(bugs))


def _try(bug: Bug, *, fast: bool) -> Catch:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_tree(folder)
        if failing := _fails_anyway(bug.seen_by, folder):  # it would prove nothing
            print(f"| {bug.name} | {bug.promise} | FAILS WITHOUT IT: {failing} | |", flush=True)
            return Catch("", 0.0)
        plant(bug, folder)
        catch = look(folder, bug.seen_by, LIKELY)
        if not catch.by and not fast:
            catch = look(folder, REST, OTHERS)
    by = catch.by or "NOBODY"
    print(f"| {bug.name} | {bug.promise} | {by} | {catch.seconds:.0f} |", flush=True)
    return catch


_sound: dict[tuple[str, ...], str] = {}


def _fails_anyway(tests: tuple[str, ...], folder: Path) -> str:
    """The test that fails in the tree as it is; looked at once."""
    if tests not in _sound:
        _sound[tests] = look(folder, tests, LIKELY).by
    return _sound[tests]


if __name__ == "__main__":
    sys.exit(main())
