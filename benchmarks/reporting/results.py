"""The results of a run as plain values, and the file that holds them.

results.json    everything; the page and the pictures can be made of it again
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.measuring import Figure
from benchmarks.reporting.environment import Environment
from benchmarks.showing import Chart, Table

FILE = "results.json"

Shown = Figure | Table | Chart


class SectionResults(msgspec.Struct, frozen=True):
    """What one section showed; `error` says why it showed no more.

    `syncs`: how long the disk took to sync a page, before it and after it, seconds.
    """

    name: str
    about: str
    seconds: float
    syncs: tuple[float, float]
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    error: str = ""


class Results(msgspec.Struct, frozen=True):
    """A run. `date` is that of its start, in UTC; `commit` that of the checkout."""

    date: str
    commit: str
    quick: bool
    environment: Environment
    sections: tuple[SectionResults, ...]

    @property
    def seconds(self) -> float:
        return sum(section.seconds for section in self.sections)

    @property
    def failed(self) -> list[SectionResults]:
        """The sections that broke off."""
        return [section for section in self.sections if section.error]

    @property
    def outside(self) -> list[Figure]:
        """The figures outside their gates; a quick run is too short to judge by."""
        return [] if self.quick else [figure for figure in self.figures() if not figure.ok]

    def figures(self) -> Iterator[Figure]:
        for section in self.sections:
            yield from section.figures


def section_results(
    name: str,
    about: str,
    seconds: float,
    syncs: tuple[float, float],
    shown: list[Shown],
    error: str = "",
) -> SectionResults:
    """Sorted by kind."""
    return SectionResults(
        name,
        about,
        seconds,
        syncs,
        tuple(one for one in shown if isinstance(one, Figure)),
        tuple(one for one in shown if isinstance(one, Table)),
        tuple(one for one in shown if isinstance(one, Chart)),
        error,
    )


def save(results: Results, folder: Path) -> None:
    """Write the file of results into a folder, made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")


def read(file: Path) -> Results:
    """Raises msgspec.ValidationError if the file holds something else."""
    return msgspec.json.decode(file.read_bytes(), type=Results)
