"""What a process takes of the machine over time, and whether that stays the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import linear_regression, median
from typing import NamedTuple


class Sample(NamedTuple):
    """At one moment; sizes in bytes."""

    at: float  # seconds
    memory: int
    descriptors: int
    log: int
    file: int


def sample(at: float, pid: int, database: Path) -> Sample:
    """Look at the process and its files. Raises OSError if the process has gone."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Sample(
        at,
        pages * os.sysconf("SC_PAGE_SIZE"),
        len(os.listdir(f"/proc/{pid}/fd")),
        _size(database.with_name(database.name + "-wal")),
        _size(database),
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def second_half(samples: Sequence[Sample]) -> Sequence[Sample]:
    """What is judged: by then everything has its size."""
    return samples[len(samples) // 2 :]


def growth(samples: Sequence[Sample], of: Callable[[Sample], float]) -> float:
    """How much a straight line through the second half rises from its first to its last moment.

    >>> growth([Sample(n, 3 * n, 0, 0, 0) for n in range(10)], lambda one: one.memory)
    12.0
    """
    late = second_half(samples)
    if len(late) < 2:
        return 0.0
    fit = linear_regression([one.at for one in late], [of(one) for one in late])
    return fit.slope * (late[-1].at - late[0].at)


def level(samples: Sequence[Sample], of: Callable[[Sample], float]) -> float:
    """The median of the second half."""
    return median(of(one) for one in second_half(samples))
