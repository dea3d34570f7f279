"""The same accidents with real processes, a sample of them: what only a process can get wrong.

Nothing of a Python traceback reaches a user, a process ends by itself with a code that is
documented, and what one process acknowledged the next one still has.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from scheduler.cli import exit_codes
from torture.fuzz import workflows
from torture.fuzz.conversations import Talk, line_of, with_accident
from torture.fuzz.damage import KINDS
from torture.fuzz.files import damaged
from torture.fuzz.judging import Heard
from torture.fuzz.specimen import Specimen

PATIENCE = 60.0  # seconds until a process is given up
LINES = 150
HEADRACE = (sys.executable, "-m", "scheduler.cli")
COMMANDS = (  # of a person who meets a damaged file
    *(("doctor",), ("status",), ("list", "--all"), ("doctor", "--query-plans", "--json")),
    *(("enqueue", "one more"), ("status", "--json"), ("plan",)),
)


class Sample(msgspec.Struct):
    """What became of one process."""

    messages: int = 0
    files: int = 0
    refused: int = 0
    wrong: list[str] = []


def sample(seed: int, number: int, sound: Specimen, folder: Path) -> Sample:
    """One process of each kind in turn; the same for the same seed and number."""
    random = Random(f"{seed}:process:{number}")
    match number % 5:
        case 0:
            return session(random, number, folder)
        case 1 | 2:
            return run_of_workflow(random, number, folder)
        case _:
            return command_on_damage(random, number, sound, folder)


def command_on_damage(random: Random, number: int, sound: Specimen, folder: Path) -> Sample:
    """A command of the command line on a damaged file."""
    kind = random.choice(sorted(KINDS))
    path = folder / f"damaged{number}.db"
    for end, content in damaged(kind, random.randrange(1 << 30), 0, sound).items():
        Path(f"{path}{end}").write_bytes(content)
    path.chmod(0o600)
    return _told(_run(folder, *random.choice(COMMANDS), "--db", str(path)), kind)


def run_of_workflow(random: Random, number: int, folder: Path) -> Sample:
    """`headrace run` of a file after an accident, unless it would start something."""
    text, ending = workflows.file(random)
    path = folder / f"work{number}{ending}"
    path.write_bytes(text)
    if not workflows.is_harmless(path):
        return Sample()
    words = ("run", str(path), "--db", str(folder / f"work{number}.db"), "--speed", "1000000")
    return _told(_run(folder, *words, "--durability", "committed"), path.name)


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*HEADRACE, *words],
        cwd=folder,
        env=_environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
    )


def _environment(folder: Path) -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    return os.environ | {"HOME": str(folder), "PYTHONPATH": root, "PYTHONWARNINGS": "error"}


def _told(done: subprocess.CompletedProcess[bytes], what: str) -> Sample:
    sample = Sample(files=1, refused=int(done.returncode != exit_codes.OK))
    said = done.stdout + done.stderr
    if b"Traceback" in said:
        sample.wrong.append(f"{what}: {' '.join(map(str, done.args[3:]))}: {said[-400:]!r}")
    if done.returncode not in exit_codes.MEANINGS:
        sample.wrong.append(f"{what}: ended with {done.returncode}: {said[-300:]!r}")
    return sample


# ------------------------------------------------------------------- a session of the endpoint


def session(random: Random, number: int, folder: Path) -> Sample:
    """`headrace mcp` hears accidents; a second one has all that it acknowledged."""
    database = folder / f"session{number}.db"
    sample = Sample()
    talk = Talk(random, modern=random.random() < 0.5)
    made = _talk(random, talk, database, sample, folder)
    sober = Talk(Random(0), modern=True)
    asked = [sober.call("task_get", task_id=task) for task in sorted(made)]
    with _Process(database, folder) as again:
        again.say(*map(line_of, asked))
        again.hear(len(asked))
        lost = [m for m in again.messages if m.get("result", {}).get("isError", True)]
        if lost or len(again.messages) < len(asked):
            sample.wrong.append(f"{len(asked)} acknowledged, and then: {lost[:2]}"[:400])
    sample.wrong += again.wrong
    return sample


def _talk(random: Random, talk: Talk, database: Path, sample: Sample, folder: Path) -> set[str]:
    made: set[str] = set()
    with _Process(database, folder) as process:
        process.say(*map(line_of, talk.opening()))
        for _ in range(LINES):
            message = talk.any()
            harmed = random.random() < 0.3
            process.say(with_accident(random, message) if harmed else line_of(message))
            process.hear(0)
            sample.messages += 1
        last = talk.call("task_enqueue", description="the last one")
        process.say(line_of(last))
        process.hear_answer_to(last["id"])
        for message in process.messages:
            result = message.get("result")
            body = result.get("structuredContent") if isinstance(result, dict) else None
            if isinstance(body, dict) and not result.get("isError") and "task_id" in body:
                made.add(body["task_id"])
    sample.wrong += process.wrong
    return made


class _Process:
    """A `headrace mcp` until the end of the block, when it must leave by itself."""

    def __init__(self, database: Path, folder: Path) -> None:
        self.messages: list[Any] = []
        self._heard = Heard()
        self._rest = b""
        self._process = subprocess.Popen(
            [*HEADRACE, "mcp", "--db", str(database), "--tools", "all"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(folder),
        )

    @property
    def wrong(self) -> list[str]:
        return self._heard.wrong

    def say(self, *lines: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(b"".join(line + b"\n" for line in lines))
            self._process.stdin.flush()

    def hear(self, count: int) -> None:
        """Take in what is there, and wait until so many messages are."""
        assert self._process.stdout is not None
        descriptor, ends = self._process.stdout.fileno(), time.monotonic() + PATIENCE
        while True:
            wait = max(0.0, ends - time.monotonic()) if len(self.messages) < count else 0.0
            if not select.select([descriptor], [], [], wait)[0]:
                return
            chunk = os.read(descriptor, 1 << 20)
            if not chunk:
                return
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            self.messages += [m for line in whole if (m := self._heard.take(line)) is not None]

    def hear_answer_to(self, request_id: Any) -> None:
        ends = time.monotonic() + PATIENCE
        while not any(message.get("id") == request_id for message in self.messages):
            if time.monotonic() > ends or self._process.poll() is not None:
                self._heard.wrong.append("the last good call was not answered")
                return
            self.hear(len(self.messages) + 1)

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            _, told = self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._heard.wrong.append("it did not leave at the end of its stdin")
            self._process.kill()
            _, told = self._process.communicate()
        if self._process.returncode != 0 or b"Traceback" in told:
            self._heard.wrong.append(f"ended with {self._process.returncode}: {told[-400:]!r}")
