"""The sections of the suite, in the order in which they run, and how a run of them goes."""

from __future__ import annotations

import inspect
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.reporting.environment import environment, sync_latency
from benchmarks.reporting.printing import Printer
from benchmarks.reporting.results import Results, SectionResults, Shown, section_results
from benchmarks.sections import (
    bridges,
    claims,
    durabilities,
    endpoint,
    growth,
    handlers,
    indexes,
    listing,
    makespan,
    memory,
    micro,
    models,
    peers,
    planning,
    promises,
    shapes,
    slow_disk,
    spike,
    stages,
    stalls,
    starting,
    stopping,
    throughput,
    workers,
)
from benchmarks.workload import Bench

Section = Callable[[Bench], Iterator[Shown]]

SECTIONS: dict[str, Section] = {
    "throughput": throughput.figures,
    "durabilities": durabilities.figures,
    "stages": stages.figures,
    "handlers": handlers.figures,
    "planning": planning.figures,
    "micro": micro.figures,
    "growth": growth.figures,
    "claims": claims.figures,
    "listing": listing.figures,
    "indexes": indexes.figures,
    "shapes": shapes.figures,
    "memory": memory.figures,
    "starting": starting.figures,
    "endpoint": endpoint.figures,
    "bridges": bridges.figures,
    "workers": workers.figures,
    "stopping": stopping.figures,
    "models": models.figures,
    "makespan": makespan.figures,
    "stalls": stalls.figures,
    "slow-disk": slow_disk.figures,
    "spike": spike.figures,
    "promises": promises.figures,
}
ON_REQUEST: dict[str, Section] = {"peers": peers.figures}  # run only where they are named

INTERRUPTED = "interrupted"
SYNCS = 50  # of a page, before and after each section

ROOT = Path(__file__).parents[1]


def run_suite(names: Sequence[str], bench: Bench, printer: Printer) -> Results:
    """Run the named sections. One that breaks off is told, and the others still run."""
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    machine = environment(bench)
    sections: list[SectionResults] = []
    for name in names:
        sections.append(_run(name, bench, printer))
        if sections[-1].error == INTERRUPTED:
            break
    results = Results(date, commit(), bench.quick, machine, tuple(sections))
    printer.end(results)
    return results


def _run(name: str, bench: Bench, printer: Printer) -> SectionResults:
    section = (SECTIONS | ON_REQUEST)[name]
    shown: list[Shown] = []
    error = ""
    printer.section(name, about(section))
    synced_before, _ = sync_latency(bench.new(), SYNCS)
    began = time.perf_counter()
    try:
        for one in section(bench):
            shown.append(one)
            printer.shown(one)
    except Exception as broke:
        error = f"{type(broke).__name__}: {str(broke).partition(chr(10))[0]}"
        printer.broke_off(traceback.format_exc())
    except KeyboardInterrupt:
        error = INTERRUPTED
        printer.broke_off(error)
    seconds = time.perf_counter() - began
    syncs = synced_before, sync_latency(bench.new(), SYNCS)[0]
    return section_results(name, about(section), seconds, syncs, shown, error)


def about(section: Section) -> str:
    """The first paragraph of the docstring of its module, in one line."""
    module = inspect.getmodule(section)
    assert module is not None and module.__doc__, section
    return " ".join(inspect.cleandoc(module.__doc__).split("\n\n")[0].split())


def commit() -> str:
    """The commit of the checkout, with a plus where it was changed; `unknown` without git."""
    told = _git("rev-parse", "--short=12", "HEAD")
    if not told:
        return "unknown"
    return told + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
