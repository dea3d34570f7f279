"""Figures, tables and charts as lines of text: for a terminal, a log, and a page of Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median

from benchmarks.measuring import Figure, Gate, Unit
from benchmarks.showing import Chart, Table

COLUMNS = ("measure", "ours", "reference", "ratio (low..high)", "gate", "goal", "ok")
NUMBER = re.compile(r"$|[-+<>=~(]*\s*\d|n/a|NO$|yes$|goal$")  # also verdicts beside them
WIDTHS = (64, 11, 11, 24, 10, 10, 4)


def figure_cells(figure: Figure, *, judged: bool = True) -> tuple[str, ...]:
    """The cells of a figure, one for each of COLUMNS."""
    unit = figure.unit
    return (
        figure.measure,
        value(figure.ours, unit),
        "" if figure.reference is None else value(figure.reference, unit),
        _spread(figure),
        _bound(figure.gate, figure),
        _bound(figure.goal, figure),
        _verdict(figure) if judged else "",
    )


def line(cells: Sequence[str]) -> str:
    """One line of the table of figures, its columns as wide as those of the others.

    >>> line(("measure", "ours")).split()
    ['measure', 'ours']
    """
    first, *others = cells
    right = [f"{cell:>{width}}" for cell, width in zip(others, WIDTHS[1:], strict=False)]
    return "  ".join([f"{first:<{WIDTHS[0]}}", *right]).rstrip()


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown; columns of numbers stand to the right.

    >>> print(markdown(("a", "b"), [("x|y", "1")]))
    | a | b |
    |---|---:|
    | x\\|y | 1 |
    """
    bars = ["---:" if numbers else "---" for numbers in of_numbers(columns, rows)]
    lines = [_markdown_line(columns), f"|{'|'.join(bars)}|", *map(_markdown_line, rows)]
    return "\n".join(lines)


def of_numbers(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[bool]:
    """For each column, whether nothing but numbers stands in it, with whatever units and signs.

    The first one says what a row is about, also where it does so with a number.

    >>> of_numbers(("size", "time", "why"), [("10", "2 ms", "2 is few"), ("20", "", "so it is")])
    [False, True, False]
    """
    return [
        place > 0 and all(NUMBER.match(row[place]) for row in rows) for place in range(len(columns))
    ]


def chart_table(chart: Chart) -> Table:
    """The medians of a chart: a row for each x, a column for each line."""
    xs = sorted({point.x for series in chart.series for point in series.points})
    drawn = [series for series in chart.series if series.points]
    lines = [{point.x: point.y for point in series.points} for series in drawn]
    rows = [(f"{x:,.10g}", *(f"{line[x]:.3g}" if x in line else "" for line in lines)) for x in xs]
    columns = (chart.x, *(series.name for series in drawn))
    return Table(chart.name, f"{chart.title}: {chart.y}", columns, tuple(rows), chart.note)


def value(number: float, unit: Unit) -> str:
    """A number with its unit, short.

    >>> value(12345.6, "/s"), value(4012.3, "s"), value(0.00123, "s"), value(2.5e-7, "s")
    ('12,346/s', '4,012 s', '1.23 ms', '0.25 us')
    >>> value(1234.5, "B")
    '1,234 B'
    """
    if unit == "/s":
        return f"{number:,.0f}/s"
    if unit == "B":
        return f"{number:,.0f} B"
    if number >= 100:
        return f"{number:,.0f} s"
    for scale, name in ((1.0, "s"), (1e-3, "ms")):
        if number >= scale:
            return f"{number / scale:.3g} {name}"
    return f"{number / 1e-6:.3g} us"


def _spread(figure: Figure) -> str:
    """The median ratio with the lowest and highest; of a figure without ratios, of its values."""
    if figure.ratios:
        shown, ends = f"{median(figure.ratios):.3g}x", [f"{ratio:.3g}" for ratio in figure.ratios]
    else:
        shown, ends = "", [value(one, figure.unit) for one in figure.values]
    of = figure.ratios or figure.values
    if len(of) < 2:
        return shown
    low, high = ends[of.index(min(of))], ends[of.index(max(of))]
    return f"{shown} ({low}..{high})".lstrip()


def _bound(gate: Gate | None, figure: Figure) -> str:
    if gate is None:
        return ""
    bound = f"{gate.bound:g}x" if figure.ratios else value(gate.bound, figure.unit)
    return f"{gate.sign} {bound}"


def _verdict(figure: Figure) -> str:
    if not figure.ok:
        return "NO"
    if figure.reaches_goal:
        return "goal"
    return "" if figure.gate is None else "yes"


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
