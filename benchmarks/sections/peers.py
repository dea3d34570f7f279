"""Other task queues on the same tasks, and what an answered call of each survives.

All take turns, each in a process of its own, in as many rounds as the tables say. What a ratio
compares with is a table by hand with full syncing, measured in the seconds before: it has one
commit for each call. Its own row is compared with it too, and so shows the noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from benchmarks.peers.alone import Measured, Pair, measured_alone
from benchmarks.peers.peer import BATCH, Survival
from benchmarks.peers.registry import PEERS, versions
from benchmarks.peers.servers import server_versions
from benchmarks.showing import Table
from benchmarks.workload import Bench

ROUNDS = 3
SECONDS = 0.6  # of one measure

TITLES = {
    "single": "Peers: tasks enqueued one a call",
    "bulk": f"Peers: tasks enqueued {BATCH:,} a call",
    "cycle": "Peers: tasks enqueued, taken and finished",
}
HOW = {
    "single": "One caller that waits for each answer; of headrace, many: 64 callers.",
    "bulk": "One caller that waits for each answer.",
    "cycle": (
        "One task after the other, in one process; of headrace, many: three calls for 100 tasks. "
        "Celery, taskiq and DBOS are given all tasks while their worker takes them, rq and "
        "procrastinate before it does."
    ),
}
COLUMNS = (
    "queue",
    "tasks/s",
    "low..high",
    "to by hand, FULL",
    "left after a kill",
    "after a loss of power",
    "task of a killed worker",
)

Round = Mapping[str, Measured]  # by the name of the peer


def figures(bench: Bench) -> Iterator[Table]:
    """One table for each measure."""
    yield from tables(list(_rounds(bench)))


def _rounds(bench: Bench) -> Iterator[Round]:
    """Measure all in turn, again and again, but those that cannot run only once."""
    names = list(PEERS)
    for _ in range(bench.pick(ROUNDS, 1)):
        done = {name: measured_alone(name, bench, bench.pick(SECONDS, 0.1)) for name in names}
        names = [name for name, measured in done.items() if not measured.not_run]
        yield done


def tables(rounds: Sequence[Round]) -> Iterator[Table]:
    """The tables that these rounds come to, each with the fastest queue first."""
    used = "; ".join([*versions(), *server_versions()])
    not_run = {
        name: measured.not_run
        for measured_in_round in rounds
        for name, measured in measured_in_round.items()
        if measured.not_run
    }
    for measure, title in TITLES.items():
        rows = [
            *(_row(name, measure, rounds) for name in _fastest_first(measure, rounds, not_run)),
            *((name, f"not run: {why}", *[""] * 5) for name, why in not_run.items()),
        ]
        note = f"{HOW[measure]} Medians of {len(rounds)} rounds. {used}"
        yield Table(f"peers-{measure}", title, COLUMNS, tuple(rows), note)


def _fastest_first(
    measure: str, rounds: Sequence[Round], not_run: Mapping[str, str]
) -> Sequence[str]:
    offering = [
        name
        for name, measured in rounds[0].items()
        if name not in not_run and measure in measured.pairs
    ]
    return sorted(
        offering, key=lambda name: -median(pair.peer for pair in _pairs(name, measure, rounds))
    )


def _row(name: str, measure: str, rounds: Sequence[Round]) -> tuple[str, ...]:
    pairs = _pairs(name, measure, rounds)
    rates, ratios = [pair.peer for pair in pairs], [pair.ratio for pair in pairs]
    survival = rounds[0][name].survival
    assert survival is not None, name
    return (
        name,
        f"{median(rates):,.0f}",
        f"{min(rates):,.0f}..{max(rates):,.0f}",
        f"{median(ratios):.3g}x ({min(ratios):.3g}..{max(ratios):.3g})",
        *_words(survival),
    )


def _pairs(name: str, measure: str, rounds: Sequence[Round]) -> list[Pair]:
    return [measured_in_round[name].pairs[measure] for measured_in_round in rounds]


def _words(survival: Survival) -> tuple[str, str, str]:
    return survival.process_kill, survival.power_loss, survival.killed_worker
