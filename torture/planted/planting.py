"""Plants one bug in a copy of the tree, and lets tests look for it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from torture.planted.bugs import Bug, Change

ROOT = Path(__file__).parents[2]
TREES = ("actors", "persistence", "scheduler", "tests", "torture", "benchmarks", "examples", "docs")
REST = ("tests/domain", "tests/actors", "tests/persistence", "tests/flows", "tests/observing")
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


class Catch(NamedTuple):
    """By what a bug was caught; `by` is empty if it was not."""

    by: str
    seconds: float


def copy_tree(folder: Path) -> None:
    """The code and all that its tests read."""
    for name in TREES:
        ignored = shutil.ignore_patterns("__pycache__", "*.db*", "results")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "SECURITY.md", "Makefile", "CHANGELOG.md"):
        shutil.copy(ROOT / file, folder / file)


def plant(bug: Bug, folder: Path) -> None:
    """Make the changes of a bug. Raises ValueError where its text does not stand exactly once."""
    for change in bug.changes:
        text = planted(bug, change, folder)
        (folder / change.file).write_text(text)


def planted(bug: Bug, change: Change, folder: Path) -> str:
    """What a file is with this change. Raises ValueError as `plant` does."""
    text = (folder / change.file).read_text()
    if text.count(change.old) != 1:
        raise ValueError(f"{bug.name}: {change.file} holds {text.count(change.old)} of its text")
    return text.replace(change.old, change.new)


def look(folder: Path, tests: tuple[str, ...], seconds: float) -> Catch:
    """Run tests in the copy until one fails, or does not end."""
    begun = time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-v", "-x", "-p", "no:cacheprovider", *tests]
    with subprocess.Popen(
        [*command, "--benchmark-disable", "--hypothesis-seed=1"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            told, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)  # with what its tests have started
            told, _ = process.communicate()
            return Catch(f"does not end: {_last(told)}", time.monotonic() - begun)
    took = time.monotonic() - begun
    if process.returncode == 0:
        return Catch("", took)
    found = FAILED.search(told)
    return Catch(found[1] if found else f"pytest ended with {process.returncode}", took)


def _last(told: str) -> str:
    lines = [line for line in told.splitlines() if line.startswith("tests/")]
    return lines[-1].split()[0] if lines else "before the first test"
