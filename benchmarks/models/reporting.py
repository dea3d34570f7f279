"""Tables and charts of what the models came to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.measuring import percentile
from benchmarks.models.driving import Latency
from benchmarks.models.matrix import (
    ACTORS,
    ENQUEUE,
    ENQUEUE_MANY,
    FOR_A_P99,
    KINDS,
    LOCK,
    SECONDS,
    SHARED,
    SQL,
    Measured,
    Results,
    Setting,
    Work,
    idle_loop,
)
from benchmarks.models.winning import against_shared, quickest, winners
from benchmarks.showing import Chart, Point, Series, Table

NOT_AVAILABLE = "n/a"
WITH_LOOP = [ACTORS, LOCK, SHARED, SQL]

_WHY_NOT = (
    f"{NOT_AVAILABLE}: {SQL} cannot offer accepted, for its answer comes after the commit: it has "
    f"no state to answer from. {SHARED} would be the same as {LOCK} there."
)
_SETUP = (
    "Each producer makes its next call when the last is answered. By 1: single tasks; by 100: "
    "enqueue_many of chains of ten. A cycle enqueues, claims and completes in three calls. "
    "A slow disk sleeps where SQLite syncs: in commits of synced, twice in each checkpoint. "
    f"Producers begin calls for {SECONDS:g} s; where one takes longer, each makes one call. Longer "
    "runs are steadier, and meet longer stalls."
)
_CUT = (
    "> : most of these calls, or the slowest, had not ended when time was up; it is how long they "
    "had waited by then."
)


def tables(results: Results) -> Iterator[Table]:
    """The winners first, then what they won by."""
    yield winners(results)
    yield quickest(results)
    yield against_shared(results)
    yield from _by_setting(
        results, "throughput", "Tasks a second", _rates, f"Median (lowest..highest). {_SETUP}"
    )
    yield from _by_setting(
        results,
        "latency",
        "Latency of a call, p50 / p99",
        _latencies,
        f"Medians of the repetitions; a call of a cycle is one of the three. {_CUT}",
    )
    yield stalls(results)


def _by_setting(
    results: Results, name: str, title: str, show: Callable[[Measured], str], note: str
) -> Iterator[Table]:
    for setting in _settings(results):
        rows = tuple(
            (cell.work.name, str(cell.producers), *_shown(found, setting, show))
            for cell, found in results.items()
            if cell.setting == setting
        )
        yield Table(
            f"models-{name}-{_slug(setting)}",
            f"{title}: {_words(setting)}",
            ("each call", "producers", *KINDS),
            rows,
            f"{note} {_WHY_NOT}" if setting.level == "accepted" else note,
        )


def _shown(
    found: dict[str, Measured], setting: Setting, show: Callable[[Measured], str]
) -> Iterator[str]:
    for name, kind in KINDS.items():
        yield show(found[name]) if setting.level in kind.levels else NOT_AVAILABLE


def _rates(measured: Measured) -> str:
    if len(measured.rates) == 1:
        return f"{measured.rate:,.0f}"
    return f"{measured.rate:,.0f} ({min(measured.rates):,.0f}..{max(measured.rates):,.0f})"


def _latencies(measured: Measured) -> str:
    slowest = _waited(measured.p99) if measured.calls >= FOR_A_P99 else "few calls"
    return f"{_waited(measured.p50)} / {slowest}"


def _waited(latency: Latency) -> str:
    return f"{'>' if latency.cut else ''}{_milliseconds(latency.seconds)}"


def _milliseconds(seconds: float) -> str:
    number = seconds * 1e3
    return f"{number:,.0f} ms" if number >= 100 else f"{number:.3g} ms"


def stalls(results: Results) -> Table:
    """How long the loop was not there for others, beside one that has nothing to do."""
    idle = " / ".join(_milliseconds(seconds) for seconds in idle_loop())
    rows = tuple(
        (
            *cell.setting.words,
            cell.work.name,
            str(cell.producers),
            *(_stall(found.get(name)) for name in WITH_LOOP),
        )
        for cell, found in results.items()
        if cell.producers > 1
    )
    return Table(
        "models-stalls",
        "How late others on the loop wake up, p99 / longest",
        ("answer", "disk", "each call", "producers", *WITH_LOOP),
        rows,
        "A task that wants to wake each millisecond, over all repetitions. A loop with nothing to "
        f"do: {idle}. A batch is proved in one go by who calls, so many callers stall the loop in "
        f"every model. Threads have no loop. {_WHY_NOT}",
    )


def _stall(measured: Measured | None) -> str:
    if measured is None or measured.stalls is None:
        return NOT_AVAILABLE
    return " / ".join(_milliseconds(seconds) for seconds in measured.stalls)


def charts(results: Results) -> Iterator[Chart]:
    """Over the number of producers, a line for each model."""
    for setting in _settings(results):
        drawn = [_throughput(results, setting, work) for work in (ENQUEUE, ENQUEUE_MANY)]
        drawn.append(_slowest(results, setting))
        yield from (chart for chart in drawn if any(line.points for line in chart.series))


def _throughput(results: Results, setting: Setting, work: Work) -> Chart:
    return Chart(
        f"models-throughput-{_slug(setting)}-by-{work.batch}",
        f"Throughput of {work.name}: {_words(setting)}",
        "producers",
        "tasks/s",
        _lines(results, setting, work, lambda measured: measured.rates),
        note="Median, lowest and highest of the repetitions; where no call was answered in time "
        "there is no point.",
    )


def _slowest(results: Results, setting: Setting) -> Chart:
    return Chart(
        f"models-p99-{_slug(setting)}-by-{ENQUEUE.batch}",
        f"p99 latency of {ENQUEUE.name}: {_words(setting)}",
        "producers",
        "seconds",
        _lines(results, setting, ENQUEUE, _slow_calls),
        note="Calls that were cut off count with what they had waited: lower bounds. Points of "
        f"less than {FOR_A_P99} calls, or where none was answered, are left out.",
    )


def _slow_calls(measured: Measured) -> list[float]:
    return [at.seconds for at in measured.p99s] if measured.calls >= FOR_A_P99 else [0.0]


def _lines(
    results: Results, setting: Setting, work: Work, values: Callable[[Measured], list[float]]
) -> tuple[Series, ...]:
    lines: dict[str, list[Point]] = {name: [] for name in KINDS}  # each has its color everywhere
    for cell, found in results.items():
        if (cell.setting, cell.work) == (setting, work):
            for model, measured in found.items():
                seen = values(measured)
                if min(seen) > 0:  # a logarithm has no place for none
                    point = Point(cell.producers, percentile(seen, 50), min(seen), max(seen))
                    lines.setdefault(model, []).append(point)
    return tuple(Series(model, tuple(points)) for model, points in lines.items())


def _settings(results: Results) -> list[Setting]:
    return list(dict.fromkeys(cell.setting for cell in results))


def _words(setting: Setting) -> str:
    return ", ".join(setting.words)


def _slug(setting: Setting) -> str:
    disk = "".join(letter for letter in setting.disk.name if letter.isalnum())
    return f"{setting.level}-{disk}"
