"""The disk fails under real processes for a moment; and how growth is told from noise."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from torture.full_disk import Totals, one_round
from torture.full_disk.disks import ShimDisk, compiled
from torture.parts import Outcome
from torture.soak import MIB, judged
from torture.soak.watching import Sample, growth

SHORT_FAULT = 1  # a seed


@pytest.mark.process
def test_a_full_disk_heals(tmp_path: Path) -> None:
    """One fault behind the shim: no acknowledged change is lost, and work goes on."""
    library = compiled(tmp_path)
    if library is None:
        pytest.skip("there is no C compiler")
    outcome, totals = Outcome(), Totals()
    place = tmp_path / "disk"
    place.mkdir()
    disk = ShimDisk(place, library)
    one_round(disk, SHORT_FAULT, time.monotonic() + 30, totals, outcome, faults=1)
    assert outcome.violations == []
    assert totals.faults.total() == len(totals.healed_after) == 1
    assert totals.acknowledged > 0


def samples(memory: float = 0.0, log: int = 0, descriptors: float = 0.0) -> list[Sample]:
    """An hour, in which each of these grows by so much a minute; the log is so large."""
    return [
        Sample(minute * 60.0, int(minute * memory), int(minute * descriptors), log, MIB)
        for minute in range(60)
    ]


def test_growth_is_found() -> None:
    """A leak of 1 MiB in four minutes, of descriptors, a large log."""
    assert judged(samples()) == []
    assert [what for what, _ in judged(samples(memory=MIB / 4))] == ["flat"]
    assert judged(samples(descriptors=0.1)) == []
    assert [what for what, _ in judged(samples(descriptors=0.5))] == ["flat"]
    assert [what for what, _ in judged(samples(log=65 * MIB))] == ["WAL"]


def test_growth_of_the_second_half() -> None:
    """A straight line through it; what came before does not count."""
    line = [Sample(at, 3 * at, 0, 0, 0) for at in range(10)]
    assert growth(line, lambda one: one.memory) == pytest.approx(12)
    settled = [Sample(at, min(at, 5), 0, 0, 0) for at in range(10)]
    assert growth(settled, lambda one: one.memory) == pytest.approx(0)
    assert growth(line[:1], lambda one: one.memory) == 0
