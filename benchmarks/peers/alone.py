"""Measures one peer once, in a process of its own, so that it can neither hang nor disturb others.

    python -m benchmarks.peers.alone NAME --folder FOLDER --seconds SECONDS --result FILE

`measured_alone` starts it, ends it if it takes too long, and returns what it found.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.peers.peer import Missing, Peer, Survival
from benchmarks.peers.registry import PEERS, REFERENCE
from benchmarks.workload import Bench, bench_in

PILOT = 200  # tasks, at the least
MOST = 50_000
LIMIT_SECONDS = 60.0
GRACE_SECONDS = 15.0  # to end a server and remove the files

Measure = Callable[[int], float | None]

ROOT = Path(__file__).parents[2]


class Pair(msgspec.Struct, frozen=True):
    """Tasks a second of a peer, and of the reference in the seconds before."""

    peer: float
    reference: float

    @property
    def ratio(self) -> float:
        return self.peer / self.reference


class Measured(msgspec.Struct, frozen=True):
    """A pair for each measure that a peer offers; or why there are none."""

    pairs: dict[str, Pair] = {}
    survival: Survival | None = None
    not_run: str = ""


def measured(name: str, bench: Bench, seconds: float) -> Measured:
    """Measure in this process, each measure for about so long."""
    try:
        with PEERS[name](bench) as peer, PEERS[REFERENCE](bench) as reference:
            return Measured(_pairs(peer, reference, seconds), peer.survival)
    except Missing as missing:
        return Measured(not_run=str(missing))


def _pairs(peer: Peer, reference: Peer, seconds: float) -> dict[str, Pair]:
    """By the name of the measure: the reference for half as long, and then the peer."""
    found: dict[str, Pair] = {}
    for name, theirs, ours in (
        ("single", reference.enqueue_single, peer.enqueue_single),
        ("bulk", reference.enqueue_bulk, peer.enqueue_bulk),
        ("cycle", reference.cycle, peer.cycle),
    ):
        count = _enough(ours, seconds)
        reference_count = _enough(theirs, seconds / 2)
        if count and reference_count:
            rates = theirs(reference_count), ours(count)
            assert rates[0] is not None and rates[1] is not None
            found[name] = Pair(rates[1], rates[0])
    return found


def _enough(measure: Measure, seconds: float) -> int | None:
    """How many tasks take about so long, a few hundred at the least; None if it is not offered."""
    count = PILOT
    while (rate := measure(count)) is not None:
        if count == MOST or count >= rate * seconds / 4:
            return min(MOST, max(PILOT, round(rate * seconds)))
        count = min(MOST, count * 4)
    return None


def measured_alone(name: str, bench: Bench, seconds: float) -> Measured:
    """Measure in a new process. Why it failed, where it did, is in `not_run`."""
    result = Path(bench.new())
    command = [sys.executable, "-m", "benchmarks.peers.alone", name]
    command += ["--folder", str(result.parents[1]), "--seconds", str(seconds)]
    command += ["--result", str(result)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        start_new_session=True,  # its servers end with it
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _, complaints = process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            return Measured(not_run=f"took longer than {LIMIT_SECONDS:g} s")
        finally:
            _end(process)
    if process.returncode != 0:
        last = complaints.strip().rpartition("\n")[2]
        return Measured(not_run=f"failed: {last[:80]}")
    return msgspec.json.decode(result.read_bytes(), type=Measured)


def _end(process: subprocess.Popen[str]) -> None:
    """End the process and the servers it started, if it is still there."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("--folder", type=Path, required=True, help="where the files go")
    parser.add_argument("--seconds", type=float, required=True, help="of each measure")
    parser.add_argument("--result", type=Path, required=True, help="the JSON to write")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of the context managers
    with bench_in(options.folder) as bench:
        found = measured(options.name, bench, options.seconds)
    options.result.write_bytes(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
