"""Who wins where: the actors against the best of the others, cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.models.matrix import ACTORS, Cell, Measured, Results, Setting, Work
from benchmarks.showing import Table

NOT_RUN = "-"
EVEN = 1.15  # the factor within which neither side wins: runs differ by it anyway


def winners(results: Results) -> Table:
    """Who gets most done, for each number of producers."""
    return _won(
        results,
        "models-winners",
        "Who wins where, in tasks a second",
        lambda found, name: _Score(found[name].rate),
        "the most tasks a second",
    )


def quickest(results: Results) -> Table:
    """Whose slowest calls are the quickest."""
    return _won(
        results,
        "models-quickest",
        "Who wins where, in the p99 latency of a call",
        lambda found, name: _Score(1 / found[name].p99.seconds, found[name].p99.cut),
        "the lowest p99",
    )


class _Score(NamedTuple):
    """The higher the better; one that is `cut` is at most so high."""

    value: float
    cut: bool = False


def _won(
    results: Results,
    name: str,
    title: str,
    score: Callable[[dict[str, Measured], str], _Score],
    what: str,
) -> Table:
    counts = sorted({cell.producers for cell in results})

    def cell_of(setting: Setting, work: Work, producers: int) -> str:
        found = results.get(Cell(setting, work, producers))
        if found is None:
            return NOT_RUN
        return _winner({name: score(found, name) for name in found})

    lines = dict.fromkeys((cell.setting, cell.work) for cell in results)
    return Table(
        name,
        title,
        ("answer", "disk", "each call", *map(_producers, counts)),
        tuple(
            (*setting.words, work.name, *(cell_of(setting, work, count) for count in counts))
            for setting, work in lines
        ),
        f"Where the actors have {what}: by which factor over the best of the others. Where they "
        f"have not: who has, and the factor that the actors reach of it. even: within {EVEN}x, by "
        f"which runs differ anyway. >, <: one side was cut off, so the factor is a bound. "
        f"{NOT_RUN}: not measured.",
    )


def _winner(scores: dict[str, _Score]) -> str:
    ours = scores[ACTORS]
    best = max((name for name in scores if name != ACTORS), key=lambda name: scores[name].value)
    theirs = scores[best]
    if not theirs.value:
        return f"{ACTORS} alone" if ours.value else "nobody"
    factor = ours.value / theirs.value
    bound = "" if ours.cut == theirs.cut else "<" if ours.cut else ">"
    if factor > EVEN:
        return f"{ACTORS} {bound}{factor:.3g}x"
    return (
        f"even ({factor:.2f}x)" if factor >= 1 / EVEN else f"{best} ({ACTORS} {bound}{factor:.2f}x)"
    )


def _producers(count: int) -> str:
    return f"{count} producer" if count == 1 else f"{count} producers"
