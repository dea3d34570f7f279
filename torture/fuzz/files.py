"""Damaged database files: each is refused, or works and tells what is true of it.

A case is a kind of damage and a number. What a scheduler then tells is compared with what it
tells of the sound file, and with what `headrace doctor` finds in the damaged one.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec

from persistence.inspection import inspect
from scheduler import testing
from scheduler.domain.errors import SchedulerError, StoreError
from scheduler.domain.task import COLUMNS
from torture.fuzz.damage import KINDS
from torture.fuzz.specimen import Files, Specimen, Told, look, opened, work

# refused: at the opening. broken off: later, with a StoreError. same: as of the sound file.
# told by the doctor: it is different, and he finds a fault. untold: he finds none.
Verdict = Literal["refused", "broken off", "same", "told by the doctor", "untold"]

# What nobody can tell without checksums, by what is different.
VALUES = "values of rows"  # a text, a number, a time that could be
SETTINGS = "rows of settings"  # of a page that now is another, whole one
LATEST = "the latest commits"  # a log that ends earlier, or is another one
EVERYTHING = "the whole file"  # it is empty, as a new one
UNFINISHED_CHANGES = ("status", "attempt", "revision", "max_attempts")


class Case(msgspec.Struct):
    """What became of one damaged file. `wrong` is empty unless a promise was broken."""

    kind: str
    number: int
    verdict: Verdict = "refused"
    said: str = ""  # the error, or what is different
    untold: str = ""  # one of the above
    wrong: str = ""


def damaged(kind: str, seed: int, number: int, specimen: Specimen) -> Files:
    """The files of a case; the same for the same seed and number."""
    return KINDS[kind](Random(f"{seed}:{kind}:{number}"), specimen)


def judge(kind: str, seed: int, number: int, specimen: Specimen, folder: Path) -> Case:
    """Try one case in an empty folder of its own below `folder`."""
    case = Case(kind, number)
    place = folder / "case"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    path = place / "tasks.db"
    files = damaged(kind, seed, number, specimen)
    for end, content in files.items():
        Path(f"{path}{end}").write_bytes(content)
    path.chmod(0o600)
    try:
        doctor = _doctor(path)
        told = _try(path, case)
        if told is not None:
            _compare(case, files, specimen.told, told, doctor)
        if case.verdict == "same" and not doctor and (later := _doctor(path)):
            case.wrong = f"after some work: {later}"
    except Exception as error:
        case.wrong = f"{type(error).__name__}: {error}"[:300] + _where(error)
    return case


def _doctor(path: Path) -> str:
    problems = [finding.what for finding in inspect(str(path)) if finding.severity == "problem"]
    return problems[0] if problems else ""


def _where(error: BaseException) -> str:
    """The innermost line, to know one fault from another."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        place = f" ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"
        trace = trace.tb_next
    return place


def _try(path: Path, case: Case) -> Told | None:
    """Open it, look at everything, work with it. What was told, unless it was broken off."""
    told: list[Told] = []

    async def use() -> None:
        async with opened(path) as scheduler:
            case.verdict = "broken off"
            told.append(await look(scheduler))
            await work(scheduler)

    try:
        testing.run(use)
    except SchedulerError as error:
        case.said = f"{error.code}: {error.message}"[:200]
        if not told and not isinstance(error, StoreError):
            case.wrong = case.said
    return told[0] if told else None


def _compare(case: Case, files: Files, sound: Told, told: Told, doctor: str) -> None:
    case.said = different(sound, told)
    if not case.said:
        case.verdict = "same"
    elif doctor:
        case.verdict = "told by the doctor"
    else:
        case.verdict = "untold"
        case.untold = _excuse(case.kind, files, sound, told)
        if not case.untold:
            case.wrong = f"nobody tells: {case.said}"


def _excuse(kind: str, files: Files, sound: Told, told: Told) -> str:
    """Why this difference cannot be told; nothing if it should be."""
    if not files[""]:
        return EVERYTHING
    if kind.startswith("the log"):
        return LATEST
    if (sound.paused, sound.limits, sound.schedules) != (told.paused, told.limits, told.schedules):
        return SETTINGS
    if sound.tasks.keys() != told.tasks.keys():
        return ""
    fixed = [COLUMNS.index(name) for name in UNFINISHED_CHANGES] + [-2, -1]  # with the edges
    for task, facts in sound.tasks.items():
        if any(facts[place] != told.tasks[task][place] for place in fixed):
            return ""
    return VALUES


def different(sound: Told, told: Told) -> str:
    """What the second tells otherwise than the first, in short."""
    if sound.tasks.keys() != told.tasks.keys():
        lost = len(sound.tasks.keys() - told.tasks.keys())
        return f"{lost} tasks lost, {len(told.tasks.keys() - sound.tasks.keys())} more"
    for name in Told.__struct_fields__:
        one, other = getattr(sound, name), getattr(told, name)
        if one != other:
            return f"{name}: {_first_difference(one, other)}"[:300]
    return ""


def _first_difference(one: Any, other: Any) -> str:
    if isinstance(one, dict):
        for key, value in one.items():
            if value != other.get(key):
                return f"{key} " + _first_difference(value, other.get(key))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for place, (a, b) in enumerate(zip(one, other, strict=True)):
            if a != b:
                return f"[{place}] " + _first_difference(a, b)
    return f"{one!r:.80} became {other!r:.80}"
