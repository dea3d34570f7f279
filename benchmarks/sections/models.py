"""The concurrency model compared with others: see benchmarks/models."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measuring import Figure
from benchmarks.models.code import lines_in
from benchmarks.models.matrix import ACTORS, LOCK, SHARED, SQL, THREADS, measure
from benchmarks.models.reporting import charts, tables
from benchmarks.showing import Chart, Table
from benchmarks.workload import Bench

MACHINERY = (
    "answers",
    "clock",
    "commands",
    "gate",
    "home",
    "loops",
    "messages",
    "patience",
    "persister",
    "records",
    "reply",
    "system",
    "writer",
)
PARTS = ("actors/dependencies.py", "actors/holdings.py")
DIRECT = ("benchmarks/models/direct.py", "benchmarks/models/queries.py")
STATE = "benchmarks/models/state.py"


def figures(bench: Bench) -> Iterator[Figure | Table | Chart]:
    """Nothing is gated: the tables say where each model wins."""
    yield code()
    results = measure(bench)
    yield from tables(results)
    yield from charts(results)


def code() -> Table:
    """What each model takes to write, and what one gets for it."""
    machinery = [f"actors/{name}.py" for name in MACHINERY]
    everything = lines_in(["actors", "scheduler/embedding.py"])
    three_calls = "the three calls"
    return Table(
        "models-code",
        "Lines of code of each model",
        ("model", "own lines", "of the actors'", "what they do", "what is missing"),
        (
            (ACTORS, f"{everything:,}", "", "every command of the product", "nothing"),
            (
                "of these, what makes actors of it",
                f"{lines_in(machinery):,}",
                "",
                "mailboxes, loops, replies, back-pressure, group commit, healing",
                "",
            ),
            _locked(LOCK, "locked", f"{three_calls}, one at a time; write-behind"),
            _locked(SHARED, "grouped", f"{three_calls}; shared commits"),
            _locked(THREADS, "threaded", f"{three_calls}, one at a time; write-behind"),
            (
                SQL,
                f"{lines_in(DIRECT):,}",
                "",
                f"{three_calls}; recovery is not needed",
                "accepted, scores that move, timers, the other commands",
            ),
        ),
        "Without blank lines, comments and docstrings. Common to all are the domain "
        f"({lines_in(['scheduler/domain']):,} lines) and persistence "
        f"({lines_in(['persistence']):,}). The actors' lines are those of actors/ and of the "
        "opening of a scheduler. The locks use the actors' parts for dependencies and for the "
        "order, the leases and the limits of what is ready.",
    )


def _locked(model: str, module: str, does: str) -> tuple[str, ...]:
    own = lines_in([STATE, f"benchmarks/models/{module}.py"])
    missing = "recovery, timers, healing, slow disks off the loop, the other commands"
    return model, f"{own:,}", f"{lines_in(PARTS):,}", does, missing
