"""The suite from end to end, and the report: what it holds, and what it keeps to itself."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import suite
from benchmarks.__main__ import main
from benchmarks.measuring import Figure, at_least
from benchmarks.reporting import page, plots, results
from benchmarks.reporting.environment import Environment, environment
from benchmarks.reporting.results import Results, section_results
from benchmarks.showing import Chart, Point, Series, Table
from benchmarks.workload import Bench

ENVIRONMENT = Environment(
    "A processor", 2, 2**34, "Linux 6", "ext4", "CPython 3.12", "3.40", {"trio": "0.31"},
    {"synced": {"synchronous": "2"}}, (0.0002, 0.001), (0.5, 0.4, 0.3),
)  # fmt: skip
KEPT = Figure("kept", "/s", 200.0, 100.0, (2.0, 1.9, 2.1), at_least(1.5), at_least(3))
MISSED = Figure("missed", "/s", 50.0, 100.0, (0.5,), at_least(1.5))
TABLE = Table("ends", "How it ends", ("who", "what"), (("a|b", "1"),), "A note.")
CHART = Chart(
    "growth", "How it grows", "tasks", "seconds",
    (Series("ours", (Point(10, 1.0, 0.5, 2.0), Point(100, 8.0, 8.0, 8.0))),),
)  # fmt: skip


def run(*shown: results.Shown, quick: bool = False, error: str = "") -> Results:
    section = section_results("light", "What is light.", 1.5, (2e-4, 3e-4), list(shown), error)
    return Results("2026-11-25 09:00 UTC", "abc123", quick, ENVIRONMENT, (section,))


def test_the_page_shows_losing_rows_like_winning_ones() -> None:
    """Both stand in the table with their verdict; what is missed is named at the top as well."""
    text = page.page(run(KEPT, MISSED))
    assert "| kept | 200/s | 100/s | 2x (1.9..2.1) | >= 1.5x | >= 3x | yes |" in text
    assert "| missed | 50/s | 100/s | 0.5x | >= 1.5x |  | NO |" in text
    assert "1 of 2 gates hold, 0 of 1 goals are reached" in text
    assert "Outside their gates:\n\n- missed" in text
    assert "python -m benchmarks --only light" in text


def test_a_quick_run_is_not_judged() -> None:
    results_of_it = run(MISSED, quick=True)
    assert results_of_it.outside == []
    assert "NO" not in page.page(results_of_it)


def test_tables_and_pictures_stand_on_the_page(tmp_path: Path) -> None:
    """A bar in a cell does not end it."""
    page.draw(run(TABLE, CHART), tmp_path)
    text = (tmp_path / page.FILE).read_text()
    assert "| a\\|b | 1 |" in text
    assert "A note." in text
    assert "![How it grows](growth.svg)" in text
    assert (tmp_path / "growth.svg").is_file()


def test_a_section_that_broke_off_is_told() -> None:
    assert "**Broke off:** ValueError: no" in page.page(run(error="ValueError: no"))


def test_results_are_read_as_they_were_saved(tmp_path: Path) -> None:
    made = run(KEPT, MISSED, TABLE, CHART)
    results.save(made, tmp_path / "new")
    assert results.read(tmp_path / "new" / results.FILE) == made


def test_a_picture_is_the_same_each_time_and_its_text_can_be_read() -> None:
    """Neither date nor random ids; labels are text."""
    drawn = plots.svg(CHART)
    assert drawn == plots.svg(CHART)
    root = ElementTree.fromstring(drawn)
    text = " ".join(part.strip() for part in root.itertext())
    assert "How it grows" in text
    assert "tasks" in text


def test_the_environment_tells_no_names(tmp_path: Path) -> None:
    """Not of the machine, the user or a folder; but what the store's connection really has."""
    told = environment(Bench(tmp_path, quick=True))
    text = page.page(Results("", "", True, told, ()))
    for secret in (platform.node(), getpass.getuser(), str(tmp_path), str(Path.home())):
        assert secret not in text.split()
        assert f"{secret}/" not in text
    assert told.pragmas["synced"]["synchronous"] == "2"
    assert told.pragmas["committed"]["synchronous"] == "1"


def test_a_quick_run_of_a_section_writes_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--only` picks it; the files stand where `--results` says."""
    assert main(["--quick", "--only", "planning", "--results", str(tmp_path)]) == 0
    saved = results.read(tmp_path / results.FILE)
    assert [section.name for section in saved.sections] == ["planning"]
    assert saved.sections[0].figures
    assert "plan of 10,000 tasks" in (tmp_path / page.FILE).read_text()
    assert "plan of 10,000 tasks" in capsys.readouterr().out


def test_a_section_that_fails_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run goes on, and ends with 2; the report has the first line, the log all of it."""

    def broken(bench: Bench) -> Iterator[Figure]:
        yield KEPT
        raise ValueError("on purpose\nin many words")

    def whole(bench: Bench) -> Iterator[Figure]:
        yield KEPT

    monkeypatch.setattr(suite, "about", lambda section: "What is light.")
    monkeypatch.setitem(suite.SECTIONS, "planning", broken)
    monkeypatch.setitem(suite.SECTIONS, "stages", whole)
    options = ["--quick", "--only", "planning", "--only", "stages", "--results", str(tmp_path)]
    assert main(options) == 2
    first, second = results.read(tmp_path / results.FILE).sections
    assert (len(first.figures), first.error) == (1, "ValueError: on purpose")
    assert (len(second.figures), second.error) == (1, "")
    assert "in many words" in capsys.readouterr().out


def test_an_interrupted_run_saves_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends it, with 130; what was measured stands on the page."""

    def interrupted(bench: Bench) -> Iterator[Figure]:
        yield KEPT
        raise KeyboardInterrupt

    monkeypatch.setattr(suite, "about", lambda section: "What is light.")
    monkeypatch.setitem(suite.SECTIONS, "planning", interrupted)
    options = ["--quick", "--only", "planning", "--only", "stages", "--results", str(tmp_path)]
    assert main(options) == 130
    (section,) = results.read(tmp_path / results.FILE).sections
    assert (len(section.figures), section.error) == (1, "interrupted")


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    assert main(["--quick", "--only", "planning", "--results", str(in_the_way)]) == 2
    assert str(in_the_way) in capsys.readouterr().err
    assert main(["--quick", "--only", "planning", "--folder", str(tmp_path / "no")]) == 2
