"""The report: one page of Markdown, and beside it the pictures that it shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import Figure
from benchmarks.reporting.environment import Environment
from benchmarks.reporting.plots import svg
from benchmarks.reporting.results import Results, SectionResults
from benchmarks.reporting.tables import COLUMNS, chart_table, figure_cells, markdown, value
from benchmarks.showing import Chart, Table

FILE = "report.md"
GIB = 2**30


def draw(results: Results, folder: Path) -> None:
    """Write the page and its pictures into a folder that is there."""
    for section in results.sections:
        for chart in section.charts:
            (folder / picture(chart)).write_bytes(svg(chart))
    (folder / FILE).write_text(page(results), encoding="utf-8")


def picture(chart: Chart) -> str:
    """The name of its file."""
    return f"{chart.name}.svg"


def page(results: Results) -> str:
    """The whole page."""
    links = ", ".join(f"[{section.name}](#{section.name})" for section in results.sections)
    parts = ["# Benchmark report", *_head(results), f"Sections: {links}."]
    parts += _environment(results.environment)
    for section in results.sections:
        parts += _section(section, judged=not results.quick)
    return "\n\n".join(parts) + "\n"


def _head(results: Results) -> Iterator[str]:
    length = "a quick run, too short to judge by," if results.quick else "a full run"
    yield (
        f"Made by {length} of commit `{results.commit}` on {results.date}, in"
        f" {results.seconds:.0f} s. Each figure is the median of repetitions that took turns with"
        " the reference; in brackets the lowest and the highest. Ratios are medians of the single"
        " pairs. Compare ratios: times and rates depend on the machine, and on what else it did;"
        " where one side syncs more often, the ratio also grows with the time of a sync."
    )
    figures = list(results.figures())
    gated = [figure for figure in figures if figure.gate is not None]
    goals = [figure for figure in figures if figure.goal is not None]
    told = f"{len(figures)} figures"
    if not results.quick:
        told += (
            f"; {len(gated) - len(results.outside)} of {len(gated)} gates hold,"
            f" {sum(goal.reaches_goal for goal in goals)} of {len(goals)} goals are reached"
        )
    yield told + "."
    if results.outside:
        yield _list("Outside their gates:", [figure.measure for figure in results.outside])
    if results.failed:
        broken = [f"`{section.name}`: {section.error}" for section in results.failed]
        yield _list("Sections that broke off:", broken)


def _environment(on: Environment) -> Iterator[str]:
    yield "## Environment"
    median, p99 = on.sync
    yield markdown(
        ("what", "value"),
        [
            ("CPU", f"{on.cpu}, {on.cores} cores"),
            ("memory", f"{on.memory / GIB:.1f} GiB"),
            ("kernel", on.kernel),
            ("file system of the databases", on.file_system),
            ("a page appended and synced", f"{value(median, 's')}, p99 {value(p99, 's')}"),
            ("load average at the start", ", ".join(f"{load:.2f}" for load in on.load)),
            ("Python", on.python),
            ("SQLite", on.sqlite),
            *on.packages.items(),
        ],
    )
    yield "The connection of a store, by durability:"
    levels = list(on.pragmas)
    names = list(on.pragmas[levels[0]]) if levels else []
    rows = [(f"`{name}`", *(on.pragmas[level][name] for level in levels)) for name in names]
    yield markdown(("pragma", *levels), rows)


def _section(section: SectionResults, *, judged: bool) -> Iterator[str]:
    yield f"## {section.name}"
    yield section.about
    before, after = (value(seconds, "s") for seconds in section.syncs)
    yield (
        f"`python -m benchmarks --only {section.name}` ({section.seconds:.0f} s; a page was synced"
        f" in {before} before it, in {after} after it)"
    )
    if section.error:
        yield f"**Broke off:** {section.error}"
    if section.figures:
        yield _figures(section.figures, judged=judged)
    for table in section.tables:
        yield from _table(table, f"**{table.title}**")
    for chart in section.charts:
        yield f"![{chart.title}]({picture(chart)})"
        if chart.note:
            yield chart.note
        yield f"<details><summary>{chart.title}: the medians</summary>"
        yield from _table(chart_table(chart), f"{chart.y}:", note=False)
        yield "</details>"


def _figures(figures: tuple[Figure, ...], *, judged: bool) -> str:
    """Columns in which nothing stands are left out."""
    rows = [figure_cells(figure, judged=judged) for figure in figures]
    used = [place for place in range(len(COLUMNS)) if any(row[place] for row in rows)]
    columns = [COLUMNS[place] for place in used]
    return markdown(columns, [[row[place] for place in used] for row in rows])


def _table(table: Table, heading: str, *, note: bool = True) -> Iterator[str]:
    yield heading
    yield markdown(table.columns, table.rows)
    if note and table.note:
        yield table.note


def _list(heading: str, lines: list[str]) -> str:
    return "\n".join([heading, "", *(f"- {line}" for line in lines)])
