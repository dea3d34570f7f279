"""The simulation repeats itself exactly, finds nothing in the product, and finds planted bugs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from actors.holdings import Holdings
from actors.leasing import Leasing
from actors.persister import Persister
from persistence import statements as sql
from scheduler.domain import lifecycle
from torture.disk import LibraryNotFoundError, library
from torture.parts import Budget
from torture.simulation import run
from torture.simulation.campaign import campaign, mixed, of_one_kind
from torture.simulation.plan import KILLS, Plan, drawn
from torture.simulation.running import run_world

try:
    library()
except LibraryNotFoundError as error:
    pytest.skip(str(error), allow_module_level=True)

ROOT = Path(__file__).parent.parent.parent
FINGERPRINT = """
import sys
from pathlib import Path
from torture.simulation.plan import drawn
from torture.simulation.running import run_world
print(run_world(drawn(int(sys.argv[1]), 250), Path(sys.argv[2])).digest)
"""


def test_fixed_seeds_find_nothing(tmp_path: Path) -> None:
    """Every durability, all faults, from the first world on."""
    outcome = campaign(mixed, tmp_path, 0, worlds=8, shorter=5)
    assert outcome.violations == []
    assert outcome.counts["steps"] > 1_500
    assert outcome.counts["drained"] == 8
    assert outcome.counts["kills"] + outcome.counts["power_losses"] > 5
    assert list(tmp_path.iterdir()) == []


def test_a_part_stops_when_its_time_is_up(tmp_path: Path) -> None:
    """After the world that is under way."""
    assert run(Budget(0.0, 0, tmp_path)).counts["worlds"] == 0


def test_the_same_seed_is_the_same_world_in_another_process(tmp_path: Path) -> None:
    """Byte for byte, whatever the hashes of strings are there; another seed is another world."""
    here = run_world(drawn(3, 250), tmp_path)
    there = subprocess.run(
        [sys.executable, "-c", FINGERPRINT, "3", tmp_path],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert here.digest == there.stdout.strip()
    assert here.digest != run_world(drawn(4, 250), tmp_path).digest


# ------------------------------------------------------------- planted bugs


def found(plan: Callable[[int], Plan], folder: Path, worlds: int = 12) -> str:
    """The promises that were found broken in so many short worlds."""
    for seed in range(worlds):
        broken = run_world(plan(seed), folder).broken
        if broken is not None:
            return broken.promise
    return "nothing"


def test_an_answer_before_the_commit_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes a change hears of it when it is recorded, and not when it is saved."""

    def promise(self: Persister, answers: Any, now: float) -> list[Any]:
        self._write_soon(now)
        reading = self._answers._reading(self._unsaved)
        return [post for one in answers for post in self._answers._serve(one, reading, now)]

    monkeypatch.setattr(Persister, "_promise", promise)
    assert found(of_one_kind(faults=("kill", "io"), steps=400), tmp_path) == "P1"


def test_commits_that_do_not_sync_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kills cannot show it; power losses do."""
    monkeypatch.setattr(sql, "SYNCED", sql.UNSYNCED)
    assert found(of_one_kind(faults=("kill",), steps=200), tmp_path, 3) == "nothing"
    assert found(of_one_kind(faults=("power",), steps=400), tmp_path) == "P1"


def test_stale_tokens_that_are_accepted_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A holder may finish its task, although another one holds it by now."""

    def mine(self: Leasing, number: int, _token: str) -> Any:
        task = self._holdings.tasks.get(number)
        return task if task is not None and task.status == "running" else None

    monkeypatch.setattr(Leasing, "_mine", mine)
    assert found(of_one_kind(faults=KILLS, steps=600), tmp_path) == "P3"


def test_leases_that_end_early_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other lease ends after half its time, so that two of them overlap."""
    claim, numbers = lifecycle.claim, count()

    def short(task: Any, holder: str, token: str, lease: float, now: float) -> Any:
        early = lease / 2 if next(numbers) % 2 else 0.0
        return claim(task, holder, token, lease, now - early)

    monkeypatch.setattr(lifecycle, "claim", short)
    assert found(of_one_kind(faults=("stop",), steps=600), tmp_path) in ("P3", "P10")


def test_work_of_the_dead_that_nobody_gets_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No lease ends: the world cannot be drained."""
    set_timer = Holdings._set_timer

    def only_starts(self: Holdings, task: Any) -> None:
        if task.status != "running":
            set_timer(self, task)

    monkeypatch.setattr(Holdings, "_set_timer", only_starts)
    assert found(of_one_kind(faults=("stop",), steps=100), tmp_path, 1) == "P4"
