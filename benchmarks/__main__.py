"""Runs the benchmarks, prints what they show, and writes a report.

    python -m benchmarks [--quick] [--only NAME] [--results FOLDER] [--folder FOLDER]

Ends with 1 if a figure is not within its gate (a quick run is not judged), with 2 if a section
broke off or the run could not begin, with 130 after Ctrl-C; what was measured until then is
saved. benchmarks/README.md explains the sections.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.reporting.page import FILE as PAGE
from benchmarks.reporting.page import draw
from benchmarks.reporting.printing import Printer
from benchmarks.reporting.results import save
from benchmarks.suite import INTERRUPTED, ON_REQUEST, ROOT, SECTIONS, run_suite
from benchmarks.workload import bench_in

DISK = Path("/var/tmp")  # by convention kept over a reboot, so never in memory
RESULTS = ROOT / "benchmarks" / "results"
PARTIAL = ROOT / "build" / "bench"


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen sections, save and draw; the exit code."""
    options = _options(arguments)
    printer = Printer(judged=not options.quick)
    whole = not options.quick and not options.only
    folder: Path = options.results or (RESULTS if whole else PARTIAL)
    try:
        _empty(folder)
        with bench_in(options.folder, options.quick) as bench:
            results = run_suite(options.only or list(SECTIONS), bench, printer)
    except OSError as error:
        print(f"python -m benchmarks: {error.strerror}: {error.filename}", file=sys.stderr)
        return 2
    save(results, folder)
    draw(results, folder)
    printer.saved(str(folder / PAGE))
    if any(section.error == INTERRUPTED for section in results.sections):
        return 130
    return 2 if results.failed else 1 if results.outside else 0


def _empty(folder: Path) -> None:
    """Make the folder of the results, and take out the pictures of an earlier run."""
    folder.mkdir(parents=True, exist_ok=True)
    for picture in folder.glob("*.svg"):
        picture.unlink()
    (folder / PAGE).touch()


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    names = [*SECTIONS, *ON_REQUEST]
    parser.add_argument(
        "--only",
        choices=names,
        action="append",
        metavar="NAME",
        help=f"one of {', '.join(names)}; may be repeated",
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run: small sizes, no verdict")
    parser.add_argument(
        "--results",
        type=Path,
        help="where the report goes: benchmarks/results, or build/bench for a part or a quick run",
    )
    parser.add_argument("--folder", type=Path, default=DISK, help="where the databases go")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
