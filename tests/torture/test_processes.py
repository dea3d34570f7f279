"""Real processes are killed for a few seconds: the campaigns in small."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from torture import kills, races
from torture.parts import Outcome
from torture.processes.starting import Starter, starter

pytestmark = pytest.mark.process
SLEEPER = "tests.torture.sleeper"


@pytest.fixture(scope="module")
def processes() -> Iterator[Starter]:
    """Starts processes, none of which outlives it."""
    with starter() as started:
        left = sleep(started, 600)
        yield started
        assert started.ended(left) is None
    assert not Path(f"/proc/{left}").exists()


def sleep(processes: Starter, seconds: float) -> int:
    """The process id of one that does nothing for so long."""
    with Path("/dev/null").open("r+b") as null:
        return processes.start([str(seconds)], [null.fileno()] * 3, module=SLEEPER)


def test_how_a_process_ended_is_known(processes: Starter) -> None:
    """One was killed, and one has ended by itself."""
    killed, ended = sleep(processes, 600), sleep(processes, 0)
    assert processes.kill(killed)
    assert processes.ended(killed) == -signal.SIGKILL
    assert not processes.kill(killed)
    while processes.ended(ended) is None:
        time.sleep(0.01)
    assert processes.ended(ended) == 0


def test_nothing_is_lost_over_kills(processes: Starter, tmp_path: Path) -> None:
    """Owners and others are killed; the file agrees with what clients were told."""
    outcome, totals = Outcome(), kills.Totals()
    ends = time.monotonic() + 60
    kills.one_round(processes, 7, tmp_path, ends, totals, outcome, kills=5)
    assert outcome.violations == []
    assert totals.kills.total() >= 5
    assert totals.acknowledged > 0


def test_agents_race_and_are_killed(processes: Starter, tmp_path: Path) -> None:
    """Every task is done, and none of them was held twice at a time."""
    totals = Counter[str]()
    assert races.one_round(processes, 25, 7, tmp_path, 60, totals) == []
    assert totals["completed"] == 25
    assert totals["kills"] > 0
