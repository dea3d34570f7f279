"""What a section shows beside its figures: tables and charts, as plain values.

They say nothing of how they are drawn, and are written to the results as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Literal

import msgspec

Scale = Literal["linear", "log"]


class Table(msgspec.Struct, frozen=True):
    """Rows of text under a heading; `note` says how they were come by."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


class Point(msgspec.Struct, frozen=True):
    """The median of some values at `x`, and the lowest and highest of them."""

    x: float
    y: float
    low: float
    high: float


class Series(msgspec.Struct, frozen=True):
    """A line of a chart."""

    name: str
    points: tuple[Point, ...]


class Chart(msgspec.Struct, frozen=True):
    """Lines over common axes. `name` becomes the name of a file; axes carry their units.

    `base` is where a linear y axis begins: the least that is possible, for a cut axis makes
    small differences look large.
    """

    name: str
    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    x_scale: Scale = "log"
    y_scale: Scale = "log"
    note: str = ""
    base: float = 0.0


def exponent(points: Sequence[Point]) -> float:
    """The power of x with which y grows: the slope of the least-squares line of the logarithms.

    >>> round(exponent([Point(x, x * x, 0, 0) for x in (1, 10, 100)]), 6)
    2.0
    """
    xs = [log10(point.x) for point in points]
    ys = [log10(point.y) for point in points]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    covariance = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return covariance / sum((x - mean_x) ** 2 for x in xs)
