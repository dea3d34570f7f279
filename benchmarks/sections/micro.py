"""Single calls, as pytest-benchmark measures them: each operation on both stores."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.reporting.tables import value
from benchmarks.showing import Table
from benchmarks.workload import Bench

TESTS = Path(__file__).parents[1] / "test_micro.py"
SECONDS, QUICK_SECONDS = "0.5", "0.02"  # at the most for the rounds of one call
PATIENCE = 180  # seconds for all of them


class Stats(msgspec.Struct):
    """What pytest-benchmark says of a call, in seconds."""

    median: float
    min: float
    max: float
    rounds: int


class Benchmark(msgspec.Struct):
    name: str
    stats: Stats


class Report(msgspec.Struct):
    benchmarks: list[Benchmark]


def figures(bench: Bench) -> Iterator[Table]:
    """One row a call. Raises RuntimeError, with what pytest said, if one of them fails."""
    file = Path(bench.new()).with_suffix(".json")
    command = [sys.executable, "-m", "pytest", str(TESTS), "-q", "-p", "no:cacheprovider"]
    command += ["--benchmark-enable", "--benchmark-min-rounds=3", f"--benchmark-json={file}"]
    command += [f"--benchmark-max-time={bench.pick(SECONDS, QUICK_SECONDS)}"]
    done = subprocess.run(
        command, cwd=TESTS.parents[1], timeout=PATIENCE, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"pytest failed:\n{done.stdout}{done.stderr}")
    report = msgspec.json.decode(file.read_bytes(), type=Report)
    yield Table(
        "micro",
        "Single calls without clients, loops and threads",
        ("call", "median", "lowest", "highest", "rounds"),
        tuple(_row(one.name, one.stats) for one in report.benchmarks),
        "python -m pytest benchmarks --benchmark-enable shows more.",
    )


def _row(name: str, stats: Stats) -> tuple[str, ...]:
    times = (value(seconds, "s") for seconds in (stats.median, stats.min, stats.max))
    return (name.removeprefix("test_").replace("_", " "), *times, f"{stats.rounds:,}")
