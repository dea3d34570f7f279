"""Errors, exit codes, kinds of values and the documentation, without a process for each."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest

from scheduler.cli import exit_codes, options
from scheduler.cli.main import COMMANDS, headrace, run
from scheduler.domain import errors

DOCUMENT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
NOBODY = "0" * 13


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_DB", "tasks.db")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["enqueue", "x", "--deadline", "+99999999d"], exit_codes.INVALID),
        (["status", "--db", "b\udcff.db"], exit_codes.STORE),
        (["list", "--db", "/dev/null"], exit_codes.STORE),
        (["run", __file__, "--speed", "nan"], exit_codes.INVALID),
        (["run", __file__, "--speed", "inf"], exit_codes.INVALID),
    ],
)
@pytest.mark.usefixtures("folder")
def test_odd_values_are_mistakes_and_no_bugs(words: list[str], code: int) -> None:
    """Whoever types them gets an error, not a traceback."""
    assert run(words) == code
    assert not Path("/dev/null.lock").exists()


@pytest.mark.process
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
def test_no_room_for_the_output() -> None:
    """Where nothing can be written the command says so on stderr, with a code of its own."""
    words = [sys.executable, "-m", "scheduler.cli", "--help"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, "no space is left" in done.stderr) == (exit_codes.NO_OUTPUT, True)


@pytest.mark.parametrize(
    "words",
    [
        ["list"], ["get", NOBODY], ["status"], ["explain", NOBODY], ["plan"], ["doctor"],
        ["cancel", NOBODY], ["retry", NOBODY], ["update", NOBODY, "--summary", "x"],
        ["add-prerequisites", NOBODY, NOBODY], ["pause", "a"], ["resume", "a"],
        ["limits"], ["limit", "--agent-type", "a", "--concurrency", "1"],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_only_run_and_enqueue_make_a_database(
    folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every other command refuses a file that is not there and makes none."""
    assert run(words) == exit_codes.STORE
    assert "error [store_unavailable]: there is no such database" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["get", NOBODY], 3, "unknown_task"),
        (["enqueue", "x", "--prerequisite", NOBODY], 3, "unknown_prerequisite"),
        (["get", "nonsense"], 2, "invalid_request"),
        (["enqueue", ""], 2, "invalid_task"),
        (["enqueue", "x", "--base-priority", "11"], 2, "invalid_task"),
        (["enqueue", "x" * 70_000], 2, "too_large"),
        (["enqueue", "other", "--key", "k"], 4, "key_conflict"),
        (["cancel", "{task}"], 4, "already_finished"),
        (["enqueue", "x", "--prerequisite", "{task}"], 4, "prerequisite_failed"),
        (["update", "{task}", "--summary", "x"], 4, "already_finished"),
        (["list", "--status", "odd"], 2, "invalid_request"),
        (["plan", "{task}", "--group", "g"], 2, "invalid_request"),
        (["plan", "a.toml", "b.toml"], 2, "invalid_request"),
        (["plan", "none.toml"], 2, "invalid_request"),
        (["enqueue", "x", "--deadline", "soon"], 2, "usage"),
        (["list", "--odd"], 2, "usage"),
        (["odd"], 2, "usage"),
    ],
)
def test_refusals(
    words: list[str], code: int, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refusal has a stable code on stdout with --json, a text on stderr without."""
    assert run(["enqueue", "gone", "--key", "k"]) == 0
    task = capsys.readouterr().out.strip()
    assert run(["cancel", task]) == 0
    words = [word.format(task=task) for word in words]
    capsys.readouterr()

    assert run([*words, "--json"]) == code
    said = capsys.readouterr()
    assert json.loads(said.out)["error"]["code"] == expected
    assert said.err == ""

    assert run(words) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Usage: " if expected == "usage" else f"error [{expected}]: ")


def _junk(path: Path) -> None:
    path.write_bytes(b"junk" * 1_000)


def _foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table notes (text)")
    connection.close()


@pytest.mark.parametrize("make", [_junk, _foreign, Path.mkdir])
@pytest.mark.parametrize("words", [["list"], ["enqueue", "x"]], ids=lambda words: words[0])
def test_a_file_that_is_no_database(
    folder: Path,
    make: Callable[[Path], None],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is refused with exit code 5 and left as it was."""
    make(folder / "tasks.db")
    before = (folder / "tasks.db").stat().st_mtime_ns
    assert run(words) == exit_codes.STORE
    assert capsys.readouterr().err.startswith("error [store_")
    assert (folder / "tasks.db").stat().st_mtime_ns == before


def test_the_doctor_says_no(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A problem gives exit code 1 and says what to do."""
    _junk(folder / "tasks.db")
    assert run(["doctor"]) == exit_codes.NEGATIVE
    assert "problem  it is no SQLite database" in capsys.readouterr().out
    assert run(["doctor", "--json"]) == exit_codes.NEGATIVE
    assert json.loads(capsys.readouterr().out)["problems"] == 1


def _errors(root: type[errors.SchedulerError]) -> Iterator[type[errors.SchedulerError]]:
    yield root
    for child in root.__subclasses__():
        yield from _errors(child)


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        (2, {"invalid_request", "invalid_task", "too_large"}),
        (2, {"dependency_cycle"}),
        (3, {"unknown_task", "unknown_prerequisite"}),
        (4, {"prerequisite_failed", "key_conflict", "illegal_transition", "already_finished"}),
        (4, {"lease_lost", "sequence_too_old"}),
        (5, {"store_error", "store_unavailable", "store_locked", "store_corrupt", "store_newer"}),
        (5, {"overloaded", "scheduler_closed", "scheduler_error"}),
    ],
)
def test_exit_codes(code: int, kinds: set[str]) -> None:
    """Every error has the exit code that the documentation gives it."""
    found = {
        kind.code
        for kind in _errors(errors.SchedulerError)
        if kind.code in kinds and exit_codes.exit_code(kind.__new__(kind)) == code
    }
    assert found == kinds


def test_errors_that_come_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of errors from several Trio tasks the first one is told; a bug keeps its traceback."""
    raised: list[BaseException] = [
        BaseExceptionGroup("", [ExceptionGroup("", [errors.Overloaded("much")]), ValueError()]),
        BaseExceptionGroup("", [KeyboardInterrupt()]),
        ValueError("a bug"),
    ]

    def fail(*_: Any) -> None:
        raise raised.pop(0)

    monkeypatch.setattr(headrace, "invoke", fail)
    assert run(["status"]) == exit_codes.STORE
    assert "  retry:    after 1 s" in capsys.readouterr().err
    assert run(["status"]) == exit_codes.INTERRUPTED
    with pytest.raises(ValueError, match="a bug"):
        run(["status"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7_200), ("3D", 259_200)],
)
def test_spans(text: str, seconds: float) -> None:
    """A span of time is a number with s, m, h or d, of seconds without."""
    assert options.seconds(*_nowhere(), text) == seconds


def test_moments() -> None:
    """A time has a zone, or is counted from now."""
    assert options.moment(*_nowhere(), "2030-01-01T00:00:00Z") == datetime(2030, 1, 1, tzinfo=UTC)
    soon = options.moment(*_nowhere(), "+2h")
    assert soon is not None
    assert 7_190 < (soon - datetime.now(UTC)).total_seconds() <= 7_200


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (options.seconds, "1 week"),
        (options.moment, "tomorrow"),
        (options.moment, "2030-01-01T00:00:00"),
        (options.json_value, "{"),
        (options.json_value, "@none.json"),
    ],
)
def test_values_that_are_none(check: Callable[..., object], text: str) -> None:
    """The message says how to write it."""
    with pytest.raises(click.BadParameter):
        check(*_nowhere(), text)


def test_json_from_a_file(folder: Path) -> None:
    """@FILE reads the value from a file."""
    (folder / "payload.json").write_text('{"a": 1}')
    assert options.json_value(*_nowhere(), "@payload.json") == {"a": 1}


def _nowhere() -> tuple[click.Context, click.Parameter]:
    return click.Context(headrace), click.Option(["--x"])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    """Its name and options are in docs/cli.md; its --help has an example."""
    command = headrace.get_command(click.Context(headrace), name)
    assert command is not None
    assert command.help is not None
    assert f"headrace {name}" in command.help.split("Example")[1]
    assert name in DOCUMENT
    for parameter in command.params:
        for option in parameter.opts:
            if option.startswith("--"):
                assert f"`{option}`" in DOCUMENT or f"`{option} " in DOCUMENT, option


def test_exit_codes_are_documented(capsys: pytest.CaptureFixture[str]) -> None:
    """The table in the documentation has those of --help."""
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    for code, meaning in exit_codes.MEANINGS.items():
        assert f"{code:<4} {meaning}" in text
        assert f"| {code} | " in DOCUMENT
