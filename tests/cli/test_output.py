"""What people see: safe text, tables that keep ids whole, progress and summaries."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from scheduler.cli import output
from scheduler.cli.run.displays import JsonDisplay as RunDisplay
from scheduler.cli.run.jobs import Job
from scheduler.cli.run.progress import Tally
from scheduler.cli.run.run_texts import duration
from scheduler.cli.run.runner import Event
from scheduler.cli.run.summary import Chronicle
from scheduler.cli.text import safe, safe_lines
from scheduler.cli.work.worker_display import Display as WorkDisplay
from scheduler.cli.work.worker_events import Event as WorkEvent
from scheduler.cli.work.worker_queue import Work
from scheduler.cli.workflow.workflow import read_workflow
from scheduler.domain.task import Status, Task
from tests.cli.conftest import COMMAND
from tests.cli.test_run import MONTAGE


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, naïve, 日本語\u3000", "plain, naïve, 日本語\u3000"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\u202eabc\u2066\u200b", r"\u202eabc\u2066\u200b"),
        ("\x9b1m\x7f\x00", r"\x9b1m\x7f\x00"),
        ("\u2028\u2029\x85", r"\u2028\u2029\x85"),
        ("\ud800", r"\ud800"),
    ],
)
def test_safe_text(text: str, shown: str) -> None:
    """What is not printable is shown as an escape."""
    assert safe(text) == shown


def test_safe_lines() -> None:
    """Newlines break lines, tabs are spaces, the rest is escaped."""
    assert safe_lines("a\tb\r\n\x1b[0m") == ["a       b", r"\x1b[0m"]


HOSTILE = {"a": "\x1b[31m \x9b1m \x7f \u202eabc \U000e0001 日本語\u3000 \n", "\u202ekey": [1]}


@pytest.mark.parametrize("terminal", [True, False])
def test_json_on_a_terminal(
    terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steers it as little as text does, is still JSON, and readable in all languages."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    text = HOSTILE["a"]
    assert isinstance(text, str)
    output.print_json(HOSTILE)
    shown = capsys.readouterr().out
    assert json.loads(shown) == HOSTILE
    work = Work("id", "token", text, 1, "lane", None, None, {})
    WorkDisplay(as_json=True).happened(WorkEvent("started", work))
    tally = Tally([], timed=False, now=0.0)
    RunDisplay().happened(Event("started", job(text), task(1, Status.RUNNING)), tally)
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[0])["summary"] == json.loads(lines[1])["ref"] == text
    everything = [*shown.split("\n"), *lines]
    assert sum("日本語\u3000" in line for line in everything) == 3
    assert not terminal or all(safe(line) == line for line in everything)


ROWS = [("0amtxrezjffhz", "completed", "an-agent-type-with-a-long-name", "[b]x[/b] " * 20)]
COLUMNS = ("id", "status", "agent_type", "summary")


def test_a_table_through_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """Tab-separated, under a header, nothing cut off."""
    output.print_table(COLUMNS, ROWS, shorten=("agent_type", "summary"))
    assert capsys.readouterr().out == "\t".join(COLUMNS) + "\n" + "\t".join(ROWS[0]) + "\n"


@pytest.mark.parametrize("width", [40, 80, 300])
def test_a_table_on_a_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However narrow it is, ids and statuses stay whole, and markup is text."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    output.print_table(COLUMNS, ROWS, shorten=("agent_type", "summary"))
    output.print_table(COLUMNS, [], shorten=("agent_type", "summary"))
    output.print_table(("batch", "ids"), [(1, " ".join([ROWS[0][0]] * 9))])
    shown = capsys.readouterr().out
    assert shown.count("0amtxrezjffhz") == 10
    assert "completed" in shown
    assert width < 80 or "[b]x[/b]" in shown


@pytest.mark.process
def test_a_run_on_a_terminal(tmp_path: Path) -> None:
    """A live picture while it runs, the summary and a visible cursor at its end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "run", MONTAGE, "--speed", "40", "--workers", "12", "--db", "tasks.db"],
        cwd=tmp_path,
        stdout=theirs,
        stderr=theirs,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # the other end was closed
        pass
    os.close(ours)
    assert process.wait() == 0
    text = shown.decode()
    assert "running" in text
    assert "and 4 more" in text
    assert "\x1b[?25h" in text
    assert "103 tasks  103 completed" in text.rsplit("\x1b", 1)[1]


def job(ref: str, sleep: float = 0.0) -> Job:
    return Job(ref, None, sleep, float("inf"), False)


def task(number: int, status: Status, estimate: float = 1.0) -> Task:
    return Task(
        number, f"task {number}", "", "human", "x", 5, None, estimate, None, None, None, None,
        None, 3, None, None, None, 0.0, status=status,
    )  # fmt: skip


def test_the_time_left() -> None:
    """It follows the work that is known, and counts what fell with a failure."""
    tasks = [task(1, Status.READY, 10), task(2, Status.READY, 20), task(3, Status.BLOCKED, 30)]
    tally = Tally([*tasks, task(4, Status.COMPLETED)], timed=True, now=0.0)
    assert (tally.total, tally.finished, tally.seconds_left(1.0)) == (4, 1, None)
    tally.note(Event("started", job("a"), tasks[0]), 0.0)
    assert list(tally.running) == ["a"]
    tally.note(Event("completed", job("a"), task(1, Status.COMPLETED)), 5.0)
    assert (list(tally.running), tally.seconds_left(5.0)) == ([], 25.0)
    event = Event("failed", job("b"), task(2, Status.FAILED), fallen=(tasks[2].id, "not ours"))
    tally.note(event, 9.0)
    assert tally.counts == {Status.COMPLETED: 2, Status.FAILED: 1, Status.CANCELLED: 1}
    assert tally.seconds_left(9.0) == 0.0


def test_the_lower_bound(tmp_path: Path) -> None:
    """The longest chain, or all work over the workers; recorded times for a replay."""
    path = tmp_path / "w.jsonl"
    path.write_text(
        '{"ref": "a", "runtime_s": 1}\n{"ref": "b", "runtime_s": 1, "prerequisites": ["a"]}\n'
        '{"ref": "c", "runtime_s": 1}'
    )
    chronicle = Chronicle()
    for ref, seconds in (("a", 2.0), ("b", 3.0), ("c", 7.0)):
        chronicle.note(Event("started", job(ref), task(1, Status.RUNNING)), 1.0)
        ended = Event("completed", job(ref, seconds), task(1, Status.COMPLETED), seconds=99.0)
        chronicle.note(ended, 11.0)
    workflow = read_workflow(path)
    assert chronicle.lower_bound(workflow, workers=1) == 12.0
    assert chronicle.lower_bound(workflow, workers=3) == 7.0
    assert (chronicle.makespan, chronicle.jobs) == (10.0, 3)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (59.4, "59 s"), (75, "1 min 15 s"), (7_320, "2 h 2 min")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    """People read spans of time in one or two units."""
    assert duration(seconds) == text
