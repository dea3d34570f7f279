"""How a figure is measured: both sides in turn in one process, and the median of the pairs.

Absolute times say little on a machine that others use too. A ratio of two sides that took
turns says much: what slows one of them down slows down the other.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from math import ceil
from statistics import median
from typing import Literal

import msgspec

PAIRS = 5  # of repetitions, at the least

Unit = Literal["/s", "s", "B"]
Side = Callable[[], float]  # measures once; returns a value in the unit of its figure


class Gate(msgspec.Struct, frozen=True):
    """A bound that a figure keeps."""

    sign: Literal[">=", "<="]
    bound: float

    def holds(self, value: float) -> bool:
        return value >= self.bound if self.sign == ">=" else value <= self.bound


class Figure(msgspec.Struct, frozen=True):
    """One row of the table.

    `ratios` are those of the single pairs, ours to the reference. Without them the gate, if
    there is one, bounds our value itself. `values` are our own single ones, where no reference
    stands beside them. `goal` is where the figure is to go; missing it is no failure.
    """

    measure: str
    unit: Unit
    ours: float
    reference: float | None = None
    ratios: tuple[float, ...] = ()
    gate: Gate | None = None
    goal: Gate | None = None
    values: tuple[float, ...] = ()

    @property
    def gated(self) -> float:
        """What the gate bounds: the median ratio or, without ratios, our value."""
        return median(self.ratios) if self.ratios else self.ours

    @property
    def ok(self) -> bool:
        return self.gate is None or self.gate.holds(self.gated)

    @property
    def reaches_goal(self) -> bool:
        return self.goal is not None and self.goal.holds(self.gated)


def at_least(bound: float) -> Gate:
    return Gate(">=", bound)


def at_most(bound: float) -> Gate:
    return Gate("<=", bound)


def compare(
    measure: str,
    unit: Unit,
    ours: Side,
    reference: Side,
    gate: Gate | None = None,
    *,
    pairs: int = PAIRS,
    goal: Gate | None = None,
) -> Figure:
    """Measure ours, the reference, ours, the reference …"""
    values = [(once(ours), once(reference)) for _ in range(pairs)]
    return paired(measure, unit, values, gate, goal)


def repeated(
    measure: str, unit: Unit, ours: Side, gate: Gate | None = None, *, times: int = PAIRS
) -> Figure:
    """Measure ours alone, again and again."""
    values = tuple(once(ours) for _ in range(times))
    return Figure(measure, unit, median(values), gate=gate, values=values)


def once(side: Side) -> float:
    """Measure one side, without the rubbish that the other one left.

    What the suite itself holds is kept from the collector's eyes, as if it were not there.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    return side()


def paired(
    measure: str,
    unit: Unit,
    pairs: Sequence[tuple[float, float]],
    gate: Gate | None = None,
    goal: Gate | None = None,
) -> Figure:
    """The figure that pairs of values, ours and the reference's, come to."""
    return Figure(
        measure,
        unit,
        median(ours for ours, _ in pairs),
        median(reference for _, reference in pairs),
        tuple(ours / reference for ours, reference in pairs),
        gate,
        goal,
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not pass.

    >>> percentile([3, 1, 2, 4], 50), percentile([3, 1, 2, 4], 99)
    (2, 4)
    """
    ascending = sorted(values)
    return ascending[max(0, ceil(len(ascending) * percent / 100) - 1)]
