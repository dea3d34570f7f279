"""The command as a user meets it: a real process in a folder of its own.

`headrace` starts processes. `here` does the same inside the test's own process, ten times as
fast, for what needs no process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from scheduler.cli.main import run
from tests.flows.conftest import run_on_virtual_time

COMMAND = [sys.executable, "-m", "scheduler.cli"]
DATABASE = "tasks.db"  # unless a test says otherwise
PATIENCE = 60  # seconds until a test gives up on a process
ON_VIRTUAL_TIME = ("test_worker.py",)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.name in ON_VIRTUAL_TIME:
            item.add_marker(pytest.mark.trio(run=run_on_virtual_time), append=False)


@dataclass
class Said:
    """What a finished process left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


class Command(Protocol):
    """`command("list", "--json")` runs to its end; `code` is the exit code it must have."""

    def __call__(self, *words: str, code: int = 0, **environment: str) -> Said: ...


class Headrace:
    """`headrace("list", "--json")` runs to its end; `start` leaves it running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def __call__(self, *words: str, code: int = 0, **environment: str) -> Said:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=self.folder,
            env=_environment() | environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *words],
            cwd=self.folder,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        self._started.append(process)
        return process

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, "utf-8")
        return name

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE")}
    return own | {"PYTHONUNBUFFERED": "1", "HEADRACE_DB": DATABASE}


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    def command(*words: str, code: int = 0, **environment: str) -> Said:
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            patch.setenv("HEADRACE_DB", DATABASE)
            for name, value in environment.items():
                patch.setenv(name, value)
            found = run(list(words))
        out, err = capsys.readouterr()
        assert found == code, (words, found, out, err)
        return Said(found, out, err)

    return command


@pytest.fixture
def headrace(tmp_path: Path) -> Iterator[Headrace]:
    command = Headrace(tmp_path)
    yield command
    command.end()
