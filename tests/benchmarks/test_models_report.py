"""What is shown of the models says who won, who could not take part, and what is a bound."""

from __future__ import annotations

from pathlib import Path

from benchmarks.models.driving import Latency
from benchmarks.models.matrix import (
    ACTORS,
    ENQUEUE,
    KINDS,
    LOCK,
    SETTINGS,
    SHARED,
    SQL,
    THREADS,
    Cell,
    Measured,
    Results,
    Sample,
    Setting,
    cells,
)
from benchmarks.models.model import REAL
from benchmarks.models.reporting import NOT_AVAILABLE, charts, tables
from benchmarks.models.winning import against_shared, quickest, winners
from benchmarks.sections.models import code
from benchmarks.showing import Table
from benchmarks.workload import Bench

SYNCED, ACCEPTED = Setting("synced", REAL), Setting("accepted", REAL)


def measured(rate: float, p99: float, cut: bool = False) -> Measured:
    """Three repetitions around a rate."""
    samples = [
        Sample(rate * factor, Latency(p99 / 2), Latency(p99, cut), 100, [0.001, 0.002])
        for factor in (0.9, 1.0, 1.2)
    ]
    return Measured(samples)


def results() -> Results:
    """The actors lose alone, win in a crowd, and nobody else is cut off but the lock."""
    return {
        Cell(SYNCED, ENQUEUE, 1): {
            ACTORS: measured(50, 0.020),
            LOCK: measured(100, 0.010),
            SHARED: measured(60, 0.015),
            THREADS: measured(80, 0.012),
            SQL: measured(90, 0.011),
        },
        Cell(SYNCED, ENQUEUE, 64): {
            ACTORS: measured(1000, 0.020),
            LOCK: measured(100, 0.100, cut=True),
            SHARED: measured(70, 0.400),
            THREADS: measured(80, 0.200),
            SQL: measured(90, 0.300),
        },
        Cell(ACCEPTED, ENQUEUE, 1): {
            ACTORS: measured(100, 0.010),
            LOCK: measured(105, 0.010),
            THREADS: measured(80, 0.012),
        },
    }


def table(name: str) -> Table:
    return next(shown for shown in tables(results()) if shown.name == name)


def test_the_winner_is_told_with_its_factor_also_where_the_actors_lose() -> None:
    rows = winners(results()).rows
    assert rows[0] == (
        "synced",
        "real disk",
        "enqueue, by 1",
        "trio.Lock (actors 0.50x)",
        "actors 10x",
    )
    assert rows[1] == ("accepted", "real disk", "enqueue, by 1", "even (0.95x)", "-")


def test_a_factor_to_a_call_that_was_cut_off_is_a_bound() -> None:
    assert quickest(results()).rows[0][3:] == ("trio.Lock (actors 0.50x)", "actors >5x")


def test_what_the_actors_win_beyond_a_shared_commit_is_told_apart() -> None:
    """Throughput, latency and stalls, each a factor; not where nothing was measured."""
    rows = against_shared(results()).rows
    assert rows[0][3:] == ("0.83x / 0.75x / 1.00x", "14x / 20x / 1.00x")
    assert rows[1][3:] == ("-", "-")


def test_a_level_that_a_model_cannot_offer_is_named_and_explained() -> None:
    for name in ("throughput", "latency"):
        shown = table(f"models-{name}-accepted-realdisk")
        assert dict(zip(shown.columns, shown.rows[0], strict=True))[SQL] == NOT_AVAILABLE
        assert "cannot offer accepted" in shown.note
        assert NOT_AVAILABLE not in table(f"models-{name}-synced-realdisk").rows[0]


def test_values_stand_with_their_spread_and_bounds_with_their_sign() -> None:
    assert table("models-throughput-synced-realdisk").rows[1][2] == "1,000 (900..1,200)"
    assert table("models-latency-synced-realdisk").rows[1][3] == "50 ms / >100 ms"


def test_a_chart_has_a_line_for_each_model_that_took_part() -> None:
    drawn = {chart.name: chart for chart in charts(results())}
    chart = drawn["models-throughput-synced-realdisk-by-1"]
    assert [line.name for line in chart.series] == list(KINDS)
    assert [(point.x, point.y) for point in chart.series[0].points] == [(1, 50), (64, 1000)]
    accepted = drawn["models-throughput-accepted-realdisk-by-1"]
    (sql,) = (line for line in accepted.series if line.name == SQL)
    assert sql.points == ()  # it keeps its color, and is not drawn


def test_every_setting_and_number_of_producers_is_measured(tmp_path: Path) -> None:
    full = set(cells(Bench(tmp_path)))
    for setting in SETTINGS:
        assert {Cell(setting, ENQUEUE, count) for count in (1, 8, 64, 512)} <= full
    assert set(cells(Bench(tmp_path, quick=True))) < full


def test_lines_of_code_are_counted_for_each_model() -> None:
    counted = {row[0]: int(row[1].replace(",", "")) for row in code().rows}
    assert set(KINDS) < set(counted)
    assert min(counted.values()) > 50
    assert max(counted, key=lambda model: counted[model]) == ACTORS
