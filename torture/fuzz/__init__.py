"""Fuzz of all that comes in: the protocol on both transports, workflow files, the database file.

`python -m torture.fuzz PART --seed S --case N` shows one case again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from torture.parts import Budget, Outcome, Violation

SHARES = {"wire": 0.25, "requests": 0.2, "workflows": 0.1, "files": 0.3, "processes": 0.15}
Counts = Mapping[str, float]
Found = Iterator[tuple[int, Counts, list[str]]]  # number, counts, what is wrong


def run(budget: Budget) -> Outcome:
    """All parts, one after the other, each for its share of the time."""
    outcome = Outcome()
    for part, share in SHARES.items():
        folder = budget.folder / part
        folder.mkdir()
        for number, counts, wrong in PARTS[part](budget.seed, budget.seconds * share, folder):
            for name, count in counts.items():
                outcome.counts[name] = outcome.counts.get(name, 0) + count
            again = f"python -m torture.fuzz {part} --seed {budget.seed} --case {number}"
            outcome.violations += [Violation(_promise(part, what), what, again) for what in wrong]
    outcome.counts["violations"] = len(outcome.violations)
    return outcome


def _promise(part: str, what: str) -> str:
    return "P6" if part == "files" else "P1" if "acknowledged" in what else "input"


def _numbers(seconds: float) -> Iterator[int]:
    """0, 1, 2 … until the time is up."""
    ends, number = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        yield number
        number += 1


def _wire(seed: int, seconds: float, folder: Path) -> Found:
    from torture.fuzz import wire

    for number in _numbers(seconds):
        played = wire.play(seed, number)
        counts = {"messages": played.lines, "messages answered with an error": played.errors}
        yield number, counts, played.wrong


def _requests(seed: int, seconds: float, folder: Path) -> Found:
    from torture.fuzz import requests

    for number in _numbers(seconds):
        played = requests.play(seed, number, folder)
        counts = {
            "HTTP requests": played.requests,
            "HTTP requests refused": played.refused,
            "HTTP requests answered": played.answered,
            "HTTP connections closed": played.closed,
        }
        yield number, counts, played.wrong


def _workflows(seed: int, seconds: float, folder: Path) -> Found:
    from torture.fuzz import workflows

    for number in _numbers(seconds):
        case = workflows.judge(seed, number, folder)
        counts = {"workflow files": 1, "workflow files refused": case.refused}
        yield number, counts, [case.wrong] if case.wrong else []


def _files(seed: int, seconds: float, folder: Path) -> Found:
    from torture.fuzz import confined

    for number, case in confined.cases(seed, seconds, folder):
        counts: dict[str, float] = {"damaged databases": 1}
        wrong = [case.how] if isinstance(case, confined.Broken) else [case.wrong]
        if not isinstance(case, confined.Broken):
            counts[f"damaged databases: {case.verdict}"] = 1
            if case.untold:
                counts[f"damaged databases: untold, {case.untold}"] = 1
        yield number, counts, [what for what in wrong if what]


def _processes(seed: int, seconds: float, folder: Path) -> Found:
    from torture.fuzz import processes, specimen

    sound = specimen.make(folder)
    for number in _numbers(seconds):
        sample = processes.sample(seed, number, sound, folder)
        counts = {"processes": 1, "their messages": sample.messages, "their files": sample.files}
        yield number, counts, sample.wrong


PARTS: dict[str, Callable[[int, float, Path], Found]] = {
    "wire": _wire,
    "requests": _requests,
    "workflows": _workflows,
    "files": _files,
    "processes": _processes,
}
