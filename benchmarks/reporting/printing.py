"""What a run says on its way, on a terminal or in a log: plain lines, colored where that shows."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from benchmarks.measuring import Figure
from benchmarks.reporting.results import Results, Shown
from benchmarks.reporting.tables import COLUMNS, chart_table, figure_cells, line, of_numbers
from benchmarks.showing import Chart, Table

LOG_WIDTH = 160  # columns, where there is no terminal to ask


class Printer:
    """`judged`: whether gates are."""

    def __init__(self, console: Console | None = None, *, judged: bool = True) -> None:
        self._console = console or Console()
        if not self._console.is_terminal:
            self._console.width = LOG_WIDTH
        self._judged = judged
        self._among_figures = False

    def section(self, name: str, about: str) -> None:
        self._console.print()
        self._say(f"{name}: {about}", "bold")
        self._among_figures = False

    def shown(self, one: Shown) -> None:
        """Right away: the next one may take a minute."""
        begins = isinstance(one, Figure) and not self._among_figures
        self._among_figures = isinstance(one, Figure)
        if begins:
            self._say(line(COLUMNS), "dim")
        if isinstance(one, Figure):
            missed = self._judged and not one.ok
            cells = figure_cells(one, judged=self._judged)
            self._say(line(cells), "red" if missed else "")
        elif isinstance(one, Table):
            self._table(one)
        else:
            self._chart(one)

    def broke_off(self, trace: str) -> None:
        self._say(trace.rstrip(), "red")

    def end(self, results: Results) -> None:
        figures = list(results.figures())
        told = f"{len(figures)} figures in {results.seconds:.0f} s"
        if not results.quick:
            told += f", {len(results.outside)} outside their gates"
        if results.failed:
            names = ", ".join(section.name for section in results.failed)
            told += f"; broke off: {names}"
        self._console.print()
        self._say(told, "bold")

    def saved(self, where: str) -> None:
        self._say(f"written: {where}")

    def _table(self, table: Table) -> None:
        grid = Grid(title=table.title, title_justify="left", caption=table.note or None)
        grid.caption_justify = "left"
        for column, numbers in zip(
            table.columns, of_numbers(table.columns, table.rows), strict=True
        ):
            grid.add_column(Text(column), justify="right" if numbers else "left")
        for row in table.rows:
            grid.add_row(*map(Text, row))
        self._console.print(grid)

    def _chart(self, chart: Chart) -> None:
        """Its numbers; the page shows it."""
        self._table(chart_table(chart))

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)
