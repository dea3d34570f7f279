"""How figures, tables and charts become text, and what their numbers mean."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from benchmarks.measuring import Figure, at_least, at_most, compare, percentile, repeated
from benchmarks.reporting.printing import Printer
from benchmarks.reporting.tables import COLUMNS, chart_table, figure_cells, line, of_numbers, value
from benchmarks.showing import Chart, Point, Series, Table, exponent


@given(st.floats(-2, 3), st.floats(1e-6, 1e6))
def test_the_exponent_of_a_power_is_found_whatever_its_factor(power: float, factor: float) -> None:
    points = [Point(x, factor * x**power, 0, 0) for x in (1e3, 1e4, 1e5, 1e6)]
    assert exponent(points) == pytest.approx(power, abs=1e-6)


def test_one_slow_size_does_not_make_a_constant_linear() -> None:
    """The line is fitted to all sizes, not drawn through the ends."""
    points = [Point(10.0**n, y, 0, 0) for n, y in enumerate((1.0, 10.0, 1.0, 1.0))]
    assert exponent(points) == pytest.approx(-0.1)


def test_both_sides_take_turns() -> None:
    """Ours first; the ratios are those of the pairs, not of the medians."""
    asked: list[str] = []
    values = {"ours": iter((2.0, 8.0, 3.0)), "reference": iter((1.0, 2.0, 3.0))}

    def side(name: str) -> float:
        asked.append(name)
        return next(values[name])

    figure = compare("x", "s", lambda: side("ours"), lambda: side("reference"), at_most(3), pairs=3)
    assert asked == ["ours", "reference"] * 3
    assert (figure.ours, figure.reference, figure.ratios) == (3.0, 2.0, (2.0, 4.0, 1.0))
    assert figure.gated == 2.0
    assert figure.ok


def test_a_figure_without_a_reference_shows_its_own_spread() -> None:
    values = iter((0.003, 0.001, 0.002))
    figure = repeated("x", "s", lambda: next(values), at_most(0.0015), times=3)
    assert not figure.ok
    assert figure_cells(figure) == ("x", "2 ms", "", "(1 ms..3 ms)", "<= 1.5 ms", "", "NO")


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(0.5, "NO"), (1.0, "yes"), (2.0, "goal")], ids=["low", "gate", "goal"]
)
def test_the_verdict_says_what_was_reached(ratio: float, verdict: str) -> None:
    """A gate and a goal count as kept where they are just met."""
    figure = Figure("x", "/s", ratio, 1.0, (ratio,), at_least(1), at_least(2))
    assert figure_cells(figure)[-1] == verdict
    assert figure_cells(figure, judged=False)[-1] == ""


def test_lines_of_figures_stand_below_their_headings() -> None:
    figure = Figure("x", "/s", 1.0, 2.0, (0.5, 0.6), at_least(0.4))
    heading, row = line(COLUMNS), line(figure_cells(figure))
    for column, cell in zip(COLUMNS[1:4], figure_cells(figure)[1:4], strict=True):
        assert heading.index(column) + len(column) == row.index(cell) + len(cell)


@given(st.lists(st.floats(0, 1e9), min_size=1), st.sampled_from([1.0, 50.0, 99.0, 100.0]))
def test_a_percentile_is_one_of_the_values_and_not_passed_by_so_many(
    values: list[float], percent: float
) -> None:
    """And the next smaller one would be passed by too many."""
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-9
    assert sum(value < found for value in values) < len(values) * percent / 100 + 1e-9


@pytest.mark.parametrize(
    ("number", "text"), [(0.0999, "99.9 ms"), (1.0, "1 s"), (1e-3, "1 ms"), (0.0, "0 us")]
)
def test_times_are_told_in_the_unit_that_suits_them(number: float, text: str) -> None:
    assert value(number, "s") == text


def test_a_chart_as_a_table_leaves_a_gap_where_a_line_has_no_point() -> None:
    ours = Series("ours", (Point(1, 0.5, 0, 0), Point(1_000, 2, 0, 0)))
    theirs = Series("theirs", (Point(1_000, 4, 0, 0),))
    table = chart_table(Chart("c", "Chart", "tasks", "seconds", (ours, theirs)))
    assert table.columns == ("tasks", "ours", "theirs")
    assert table.rows == (("1", "0.5", ""), ("1,000", "2", "4"))


def test_headings_stand_once_above_figures_and_not_above_a_table() -> None:
    """In a log, where nothing is colored; a cell in brackets is no markup."""
    log = io.StringIO()
    printer = Printer(Console(file=log))
    figure = Figure("of ours", "/s", 1.0)
    printer.section("one", "One.")
    printer.shown(Table("t", "Title", ("call",), (("recover[memory]",),)))
    assert "measure" not in log.getvalue()
    printer.shown(figure)
    printer.shown(figure)
    said = log.getvalue()
    assert said.count("measure") == 1
    assert said.count("of ours") == 2
    assert "recover[memory]" in said
    assert "\x1b" not in said


def test_columns_of_words_stand_to_the_left() -> None:
    """And what a row is about, even if that is a number; a gap or an n/a is no word."""
    rows = [("1", "2 ms", "two", ">= 3x"), ("2", "n/a", "", ""), ("3", "", "2", "(1..2)")]
    assert of_numbers(("tasks", "time", "why", "gate"), rows) == [False, True, False, True]
