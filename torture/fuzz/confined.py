"""Cases of damaged files in a child of bounded memory, so that a crash or a hang is one, too.

`python -m torture.fuzz.confined SEED FIRST SECONDS FOLDER` tries one case after the other from
number FIRST on, and says on stdout what became of it, a line each.
"""

from __future__ import annotations

import logging
import os
import resource
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from torture.fuzz import damage, files, specimen

MEMORY = 1 << 30  # bytes of address space
PATIENCE = 30.0  # seconds for one case


class Broken(msgspec.Struct):
    """A case that ended its process, or did not end."""

    how: str


def kind_of(number: int) -> tuple[str, int]:
    """The kinds take turns: which one has this number, and its own count."""
    kinds = list(damage.KINDS)
    return kinds[number % len(kinds)], number // len(kinds)


def cases(seed: int, seconds: float, folder: Path) -> Iterator[tuple[int, files.Case | Broken]]:
    """Cases by number until the time is up; a child that breaks is replaced by another one."""
    ends, number = time.monotonic() + seconds, 0
    while (left := ends - time.monotonic()) > 0:
        for case in _of_one_child(seed, number, left, folder):
            yield number, case
            number += 1


def _of_one_child(
    seed: int, first: int, seconds: float, folder: Path
) -> Iterator[files.Case | Broken]:
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "torture.fuzz.confined"),
            *(str(seed), str(first), str(seconds), str(folder)),
        ],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    with child:
        assert child.stdout is not None
        try:
            for line in _lines(child.stdout.fileno()):
                yield msgspec.json.decode(line, type=files.Case)
            code = child.wait(PATIENCE)
        except (TimeoutError, subprocess.TimeoutExpired):
            yield Broken(f"no end within {PATIENCE:g} s")
            return
        finally:
            child.kill()
        if code != 0:
            yield Broken(f"its process ended with {code}")


def _lines(descriptor: int) -> Iterator[bytes]:
    """Lines until the end; TimeoutError when none comes for too long."""
    rest = b""
    while True:
        if not select.select([descriptor], [], [], PATIENCE)[0]:
            raise TimeoutError
        chunk = os.read(descriptor, 1 << 16)
        if not chunk:
            return
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


def main(seed: int, first: int, seconds: float, folder: Path) -> None:
    """What the child does."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    logging.disable(logging.CRITICAL)
    ends = time.monotonic() + seconds
    sound = specimen.make(folder)
    number = first
    while time.monotonic() < ends:
        case = files.judge(*_of(number, seed), sound, folder)
        print(msgspec.json.encode(case).decode(), flush=True)
        number += 1


def _of(number: int, seed: int) -> tuple[str, int, int]:
    kind, place = kind_of(number)
    return kind, seed, place


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
