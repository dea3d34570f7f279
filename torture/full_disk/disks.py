"""Disks that fail when we say so: real ones that are full, and real files behind a shim."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

SHIM = Path(__file__).with_name("shim.c")
SIZE = 24  # MiB, of the disk that is filled up
BLOCK = 65_536  # bytes


class Fault(NamedTuple):
    """What fails, as the shim reads it, and the words in which it is told."""

    name: str
    calls: str
    number: int


FAULTS = (
    Fault("full", "wt", errno.ENOSPC),
    Fault("full after a part of a write", "ht", errno.ENOSPC),
    Fault("write error", "w", errno.EIO),
    Fault("sync error", "s", errno.EIO),
    Fault("size error", "t", errno.EIO),
    Fault("dead", "wst", errno.EIO),
)


class Disk(Protocol):
    """Where the database of a round lies."""

    name: str
    folder: Path
    faults: tuple[Fault, ...]

    @property
    def environment(self) -> Mapping[str, str]:
        """What the programs that use it must be started with."""
        ...

    def fail(self, fault: Fault) -> None:
        """From now on."""
        ...

    def heal(self) -> None:
        """From now on all is well."""
        ...


class ShimDisk:
    """A folder whose databases fail for programs that are started with `environment`."""

    name = "shim"
    faults: tuple[Fault, ...] = FAULTS

    def __init__(self, folder: Path, library: Path) -> None:
        self.folder = folder
        self._control = folder / "fault"
        self._library = library

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "LD_PRELOAD": str(self._library),
            "TORTURE_FAULT": str(self._control),
            "TORTURE_FILES": f"{self.folder}/tasks.db",
        }

    def fail(self, fault: Fault) -> None:
        """At one moment for all processes."""
        unfinished = self._control.with_suffix(".new")
        unfinished.write_text(f"{fault.calls} {fault.number}")
        unfinished.rename(self._control)

    def heal(self) -> None:
        self._control.unlink(missing_ok=True)


class SmallDisk:
    """A file system of a few megabytes, which a file of ours fills up."""

    name = "small file system"
    faults: tuple[Fault, ...] = (Fault("full", "", errno.ENOSPC),)

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder
        self._ballast = root / "ballast"

    @property
    def environment(self) -> Mapping[str, str]:
        return {}

    def fail(self, fault: Fault) -> None:
        """Write until nothing more goes in; what the database frees is taken as well."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (BLOCK, 1):
                with suppress(OSError):
                    while True:
                        file.write(b"\0" * size)

    def heal(self) -> None:
        self._ballast.unlink(missing_ok=True)


def compiled(folder: Path) -> Path | None:
    """The shim as a library; None where there is no compiler, or none that it understands."""
    compiler = shutil.which("cc")
    if compiler is None or not os.path.isdir("/proc/self/fd"):
        return None
    library = folder / "shim.so"
    words = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIM), "-ldl"]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    return None if done.returncode else library


@contextmanager
def disks(folder: Path) -> Iterator[list[Callable[[Path], Disk]]]:
    """The kinds of disks that can be had here, made for a folder of this name; perhaps none."""
    kinds: list[Callable[[Path], Disk]] = []
    library, small = compiled(folder), folder / "small"
    if library is not None:
        kinds.append(lambda place: ShimDisk(_made(folder / place), library))
    small.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m,mode=700", "tmpfs", str(small)]
    mounted = not os.geteuid() and not subprocess.run(words, stderr=subprocess.DEVNULL).returncode
    if mounted:
        kinds.append(lambda place: SmallDisk(_made(small / place), small))
    try:
        yield kinds
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(small)], check=True)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
