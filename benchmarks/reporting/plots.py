"""Charts as SVG: the same values give the same bytes, whatever the day and the machine."""

from __future__ import annotations

from io import BytesIO
from itertools import cycle

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter, LogLocator, NullLocator

from benchmarks.showing import Chart, Series

# Okabe and Ito's colors, which also color-blind readers tell apart; without their yellow, which
# is too light for a line on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
SIZE = (8.0, 4.5)  # inches
TICKS = 8  # as many values of x are all named
DECADES = 2.5  # of y, above which only powers of ten are named


def svg(chart: Chart) -> bytes:
    """The chart with its lines, and bars from the lowest to the highest value of each point."""
    with rc_context(
        {
            "svg.hashsalt": "headrace",  # ids inside the file are otherwise random
            "svg.fonttype": "none",  # text stays text: it can be searched, and differs less
            "font.size": 10.0,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
        }
    ):
        figure = Figure(figsize=SIZE, facecolor="white", layout="constrained")
        axes = figure.add_subplot()
        looks = zip(cycle(COLORS), cycle(MARKERS), chart.series, strict=False)
        for color, marker, series in looks:
            if series.points:
                _draw(axes, series, color, marker)
        _dress(axes, chart)
        if len(chart.series) > 1:
            figure.legend(loc="outside right upper", frameon=False)
        written = BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return written.getvalue()


def _draw(axes: Axes, series: Series, color: str, marker: str) -> None:
    points = sorted(series.points, key=lambda point: point.x)
    below = [max(0.0, point.y - point.low) for point in points]
    above = [max(0.0, point.high - point.y) for point in points]
    axes.errorbar(
        [point.x for point in points],
        [point.y for point in points],
        yerr=[below, above],
        label=series.name,
        color=color,
        marker=marker,
        markersize=5,
        capsize=2,
        elinewidth=0.8,
        linewidth=1.5,
    )


def _dress(axes: Axes, chart: Chart) -> None:
    axes.set_title(chart.title, loc="left", fontsize=11)
    axes.set_xlabel(chart.x)
    axes.set_ylabel(chart.y)
    axes.set_xscale(chart.x_scale)
    axes.set_yscale(chart.y_scale)
    _name_measured(axes, chart)
    if chart.y_scale == "linear":
        axes.set_ylim(bottom=chart.base)
    else:
        _name_steps(axes, "s" if chart.y.startswith("seconds") else "")
    axes.grid(visible=True, color="#DDDDDD", linewidth=0.6)


def _name_measured(axes: Axes, chart: Chart) -> None:
    """Name the values of x that were measured, where they are few, and no others."""
    measured = sorted({point.x for series in chart.series for point in series.points})
    if len(measured) <= TICKS:
        axes.xaxis.set_major_locator(FixedLocator(measured))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.10g}"))


def _name_steps(axes: Axes, unit: str) -> None:
    """Name 1, 2 and 5 of each power of ten on a logarithmic y axis, or the powers alone."""
    low, high = axes.get_ylim()
    steps = (1.0, 2.0, 5.0) if high < low * 10**DECADES else (1.0,)
    axes.yaxis.set_major_locator(LogLocator(subs=steps))
    axes.yaxis.set_major_formatter(EngFormatter(unit))
    axes.yaxis.set_minor_locator(NullLocator())
