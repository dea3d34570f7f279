"""The runner of the torture: what it prints, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from torture.parts import Budget, Outcome, Violation
from torture.playing import WEIGHTS, play

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.process
def test_a_short_run_of_one_part(tmp_path: Path) -> None:
    """It ends with 0, says its seed, and leaves its figures behind but no other file."""
    results = tmp_path / "results.json"
    command = [sys.executable, "-m", "torture", "--only", "simulation", "--seconds", "0.1"]
    command += ["--seed", "5", "--folder", str(tmp_path), "--results", str(results)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("seed 5: simulation\n")
    assert ended.stdout.endswith("0 violations\n")
    (part,) = json.loads(results.read_text())["parts"]
    assert part["outcome"]["counts"]["drained"] == part["outcome"]["counts"]["worlds"] >= 1
    assert list(tmp_path.iterdir()) == [results]


def test_what_keeps_a_part_from_going_on_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And counts as much as a violation."""
    found = Outcome({"steps": 1}, [Violation("P1", "a task is lost", "python -m torture")])

    def run(budget: Budget) -> Outcome:
        if budget.seed == 1:
            raise RuntimeError("no disk")
        return found

    monkeypatch.setitem(sys.modules, "torture.soak", SimpleNamespace(run=run))
    assert "no disk" in (play("soak", 1.0, 1, tmp_path / "first").error or "")
    played = play("soak", 1.0, 2, tmp_path / "second")
    assert (played.outcome, played.error) == (found, None)


def test_every_part_is_there() -> None:
    """Each package of the torture that has a `run` is played by the runner."""
    parts = {
        path.stem if path.name != "__init__.py" else path.parent.name
        for path in (REPOSITORY / "torture").rglob("*.py")
        if path.name == "__init__.py" or path.parent.name == "torture"
        if "\ndef run(budget: Budget) -> Outcome:" in path.read_text()
    }
    assert parts == set(WEIGHTS)
