"""Prints what headrace costs as ratios to references measured in the same run.

    python -m benchmarks.ratios [--only NAME] [--json FILE] [--folder FOLDER]

Ends with 1 if a figure is not within its gate. benchmarks/README.md explains the table.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.measuring import Figure, Unit
from benchmarks.sections import (
    bridges,
    claims,
    endpoint,
    handlers,
    makespan,
    promises,
    shapes,
    slow_disk,
    spike,
    starting,
    stopping,
    throughput,
    workers,
)
from benchmarks.workload import Bench, bench_in

SECTIONS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "throughput": throughput.figures,
    "handlers": handlers.figures,
    "workers": workers.figures,
    "stopping": stopping.figures,
    "claims": claims.figures,
    "shapes": shapes.figures,
    "starting": starting.figures,
    "endpoint": endpoint.figures,
    "bridges": bridges.figures,
    "makespan": makespan.figures,
    "slow-disk": slow_disk.figures,
    "spike": spike.figures,
    "promises": promises.figures,
}
DISK = Path("/var/tmp")  # by convention kept over a reboot, so never in memory

WIDTHS = (58, 11, 11, 22, 10)


def main() -> int:
    """Run the chosen sections; 1 if a gate does not hold."""
    options = _options()
    began = time.perf_counter()
    print(_line("measure", "ours", "reference", "ratio (low..high)", "gate", "ok"))
    figures: list[Figure] = []
    with bench_in(options.folder) as bench:
        for name in options.only or SECTIONS:
            for figure in SECTIONS[name](bench):
                figures.append(figure)
                print(_row(figure), flush=True)
    failed = [figure.measure for figure in figures if not figure.ok]
    seconds = time.perf_counter() - began
    print(f"{len(figures)} figures, {len(failed)} outside their gate, {seconds:.0f} s")
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--only",
        choices=SECTIONS,
        action="append",
        metavar="NAME",
        help=f"one of {', '.join(SECTIONS)}; may be repeated",
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    parser.add_argument("--folder", type=Path, default=DISK, help="where the databases go")
    return parser.parse_args()


def _row(figure: Figure) -> str:
    ratio = gate = ""
    if figure.ratios:
        ratio = f"{median(figure.ratios):.3g}x"
    if len(figure.ratios) > 1:
        ratio += f" ({min(figure.ratios):.3g}..{max(figure.ratios):.3g})"
    if figure.gate is not None:
        bound = figure.gate.bound
        gate = f"{figure.gate.sign} " + (f"{bound:g}x" if ratio else value(bound, figure.unit))
    reference = "" if figure.reference is None else value(figure.reference, figure.unit)
    verdict = "" if figure.gate is None else "yes" if figure.ok else "NO"
    return _line(figure.measure, value(figure.ours, figure.unit), reference, ratio, gate, verdict)


def value(number: float, unit: Unit) -> str:
    """A number with its unit, short.

    >>> value(12345.6, "/s"), value(4012.3, "s"), value(0.00123, "s"), value(2.5e-7, "s")
    ('12,346/s', '4,012 s', '1.23 ms', '0.25 us')
    """
    if unit == "/s":
        return f"{number:,.0f}/s"
    if number >= 100:
        return f"{number:,.0f} s"
    for scale, name in ((1.0, "s"), (1e-3, "ms")):
        if number >= scale:
            return f"{number / scale:.3g} {name}"
    return f"{number / 1e-6:.3g} us"


def _line(*cells: str) -> str:
    first, *others = cells
    right = [f"{cell:>{width}}" for cell, width in zip(others, WIDTHS[1:], strict=False)]
    return "  ".join([f"{first:<{WIDTHS[0]}}", *right, others[-1]])


if __name__ == "__main__":
    sys.exit(main())
