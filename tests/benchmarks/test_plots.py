"""What a picture names on its axes, and values that an axis cannot show."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from benchmarks.reporting import __main__ as redrawing
from benchmarks.reporting import page, plots, results
from benchmarks.showing import Chart, Point, Scale, Series
from tests.benchmarks.test_reporting import CHART, TABLE, run

OURS = Series("ours", (Point(1_000, 0.002, 0.001, 0.004), Point(64_000, 0.02, 0.02, 0.02)))
THEIRS = Series("theirs", (Point(1_000, 0.005, 0.005, 0.005),))
LATENCY = Chart("latency", "Latency", "tasks", "seconds", (OURS, THEIRS))


def words(chart: Chart) -> set[str]:
    """All text of its picture; the sign of minus is a letter of its own there."""
    root = ElementTree.fromstring(plots.svg(chart))
    return {text for part in root.iter() if (text := (part.text or "").strip())}


def test_the_measured_values_are_named_below_and_times_have_units() -> None:
    found = words(LATENCY)
    assert {"1,000", "64,000", "2 ms", "5 ms", "20 ms", "ours", "theirs"} <= found
    assert "10,000" not in found


def test_a_single_line_needs_no_legend() -> None:
    assert "ours" not in words(replace(LATENCY, series=(OURS,)))


def test_a_linear_axis_begins_at_its_base() -> None:
    """At nothing, if no more is said."""
    linear = replace(LATENCY, y="ratio", y_scale="linear", series=(
        Series("ours", (Point(1, 1.5, 1.4, 1.6), Point(2, 1.2, 1.2, 1.2))),
    ))  # fmt: skip
    assert "0.0" in words(linear)
    based = words(replace(linear, base=1.0))
    assert "1.0" in based
    assert "0.8" not in based


def test_many_powers_of_ten_are_named_alone() -> None:
    wide = Series("ours", tuple(Point(10.0**n, 10.0 ** (n - 3), 0, 1e4) for n in range(6)))
    found = words(replace(LATENCY, series=(wide,)))
    assert {"1 ms", "1 s"} <= found
    assert "2 ms" not in found


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_bar_down_to_nothing_is_drawn_on_either_axis(scale: Scale) -> None:
    """Warnings are errors here."""
    chart = replace(LATENCY, y_scale=scale, series=(Series("ours", (Point(1, 0.5, 0.0, 0.5),)),))
    assert plots.svg(chart).startswith(b"<?xml")


def test_a_report_is_drawn_again_from_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same page and the same pictures, without measuring."""
    made = run(TABLE, CHART)
    results.save(made, tmp_path)
    page.draw(made, tmp_path)
    names = (page.FILE, "growth.svg")
    before = [(tmp_path / name).read_bytes() for name in names]
    for name in names:
        (tmp_path / name).unlink()
    monkeypatch.setattr("sys.argv", ["reporting", str(tmp_path / results.FILE)])
    redrawing.main()
    assert [(tmp_path / name).read_bytes() for name in names] == before
