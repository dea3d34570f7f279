"""A queue that is measured keeps its size, whatever the calls add to it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from benchmarks.grown import Grown
from benchmarks.measuring import Figure
from benchmarks.sections import growth
from benchmarks.showing import Chart, Table
from benchmarks.workload import Bench
from scheduler import Status


def test_calls_leave_as_many_unfinished_tasks_as_they_found(tmp_path: Path) -> None:
    """Recovery itself asserts the number; every kind of call is one of a family."""
    with closing(Grown(str(tmp_path / "tasks.db"), 40)) as grown:
        grown.recover()
        grown.plan()
        names = [name for name, _ in (*grown.calls(), *grown.calls())]
        grown.recover()
    known = {name for names in growth.FAMILIES.values() for name in names}
    assert set(names) == known - {"execution plan", "recovery"}


def test_the_tasks_stand_in_chains_of_ten(tmp_path: Path) -> None:
    with closing(Grown(str(tmp_path / "tasks.db"), 25)) as grown:
        loaded = grown.store.load().tasks
    ready = [task.number for task in loaded if task.status is Status.READY]
    assert ready == [1, 11, 21]
    assert [task.requires for task in loaded[10:13]] == [(), (11,), (12,)]


def test_each_operation_has_a_point_for_each_size(tmp_path: Path) -> None:
    """In the table and in one chart."""
    figure, table, *charts = growth.figures(Bench(tmp_path, quick=True))
    sizes = list(growth.QUICK_SIZES)
    lines = [line for chart in charts if isinstance(chart, Chart) for line in chart.series]
    assert all([point.x for point in line.points] == sizes for line in lines)
    assert isinstance(table, Table)
    assert len(table.rows) == len(lines)
    assert isinstance(figure, Figure)
    assert len(figure.ratios) == 2
