"""Who wins where: the actors against the others, cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.models.matrix import ACTORS, SHARED, Cell, Measured, Results, Setting, Work
from benchmarks.showing import Table

NOT_RUN = "-"
EVEN = 1.15  # the factor within which neither side wins: runs differ by it anyway


class Score(NamedTuple):
    """The higher the better; one that is `cut` is at most so high."""

    value: float
    cut: bool = False


Found = dict[str, Measured]


def winners(results: Results) -> Table:
    """Who gets most done, for each number of producers."""
    return _table(
        results,
        "models-winners",
        "Who wins where, in tasks a second",
        lambda found: _winner(found, _throughput),
        _note("most tasks a second"),
    )


def quickest(results: Results) -> Table:
    """Whose slowest calls are the quickest."""
    return _table(
        results,
        "models-quickest",
        "Who wins where, in the p99 latency of a call",
        lambda found: _winner(found, _quickness),
        _note("lowest p99"),
    )


def against_shared(results: Results) -> Table:
    """What the actors win beyond what a shared commit wins without them."""
    return _table(
        results,
        "models-shared",
        f"The actors against a {SHARED}: throughput, p99 latency, longest stall",
        _three_factors,
        f"The factor by which the actors are better than the {SHARED}; below 1 they are worse. "
        f"Stalls of the loop with one caller are those of that caller alone. {NOT_RUN}: not "
        "measured.",
    )


def _note(best: str) -> str:
    return (
        f"Of the models without {SHARED}. Where the actors have the {best}: by which factor over "
        "the best of the others. Where they have not: who has, and the factor that the actors "
        f"reach of it. even: within {EVEN}x, by which runs differ anyway. >, <: one side was cut "
        f"off, so the factor is a bound. {NOT_RUN}: not measured."
    )


def _throughput(measured: Measured) -> Score:
    return Score(measured.rate)


def _quickness(measured: Measured) -> Score:
    return Score(1 / measured.p99.seconds, measured.p99.cut)


def _winner(found: Found, score: Callable[[Measured], Score]) -> str:
    ours = score(found[ACTORS])
    others = {name: score(found[name]) for name in found if name not in (ACTORS, SHARED)}
    best = max(others, key=lambda name: others[name].value)
    theirs = others[best]
    if not theirs.value:
        return f"{ACTORS} alone" if ours.value else "nobody"
    if ours.cut and theirs.cut:
        return "all cut off"
    factor = ours.value / theirs.value
    bound = ">" if theirs.cut else "<" if ours.cut else ""
    if factor > EVEN:
        return f"{ACTORS} {bound}{factor:.3g}x"
    if factor >= 1 / EVEN:
        return f"even ({factor:.2f}x)"
    return f"{best} ({ACTORS} {bound}{factor:.2f}x)"


def _three_factors(found: Found) -> str:
    if SHARED not in found:
        return NOT_RUN
    ours, theirs = found[ACTORS], found[SHARED]
    if not theirs.rate:
        return f"{ACTORS} alone" if ours.rate else "nobody"
    assert ours.stalls is not None and theirs.stalls is not None
    factors = (
        ours.rate / theirs.rate,
        theirs.p99.seconds / ours.p99.seconds,
        theirs.stalls[1] / ours.stalls[1],
    )
    return " / ".join(f"{factor:.2f}x" if factor < 10 else f"{factor:.0f}x" for factor in factors)


def _table(
    results: Results, name: str, title: str, show: Callable[[Found], str], note: str
) -> Table:
    counts = sorted({cell.producers for cell in results})

    def shown(setting: Setting, work: Work, producers: int) -> str:
        found = results.get(Cell(setting, work, producers))
        return NOT_RUN if found is None else show(found)

    rows = tuple(
        (*setting.words, work.name, *(shown(setting, work, count) for count in counts))
        for setting, work in dict.fromkeys((cell.setting, cell.work) for cell in results)
    )
    return Table(name, title, ("answer", "disk", "each call", *map(_producers, counts)), rows, note)


def _producers(count: int) -> str:
    return f"{count} producer" if count == 1 else f"{count} producers"
