"""One owner a database file, over all processes and inside each.

The owner holds a lock on `<database>.lock` and writes its process id into it and, on a second
line, the address of its socket if it has one for other processes. The file stays when the owner
goes: to delete it would let two processes lock two files of one name. POSIX
locks belong to a process, and closing any descriptor of a file drops them all; so a second
opening in the same process is recognised before the lock file is touched.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Hashable
from contextlib import suppress
from typing import NamedTuple

from persistence.failures import system_error
from scheduler.domain.errors import StoreLocked

_guard = threading.Lock()
# file: the process that put it here, which a fork is not, and its descriptor of the lock file
_owned: dict[Hashable, tuple[int, int]] = {}


ADDRESS_BYTES = 4_096
LARGEST_PID = 1 << 31
OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # whatever has the name of the lock file


class Owner(NamedTuple):
    """Who owned a file last, or does so now; the address is that of a Unix socket."""

    pid: int
    address: str | None


def lock_path(path: str) -> str:
    return path + ".lock"


class Ownership:
    """The right to write one database file, until `release`."""

    def __init__(self, path: str, address: str | None = None) -> None:
        """Take it, for the existing file `path`; at `address` others will be served.

        Raises StoreLocked or StoreUnavailable.
        """
        with _guard:
            names = _names(path)
            if _owned_here(names) is not None:
                raise _locked(path, os.getpid())
            try:
                self._made = not os.path.exists(lock_path(path))
                self._descriptor: int | None = _lock(path, address)
            except OSError as error:
                raise system_error(error, lock_path(path)) from error
            self._path = path
            self._names = names
            _owned.update(dict.fromkeys(names, (os.getpid(), self._descriptor)))

    def announce(self, address: str | None) -> None:
        """Tell other processes where they will be served; None: not any more."""
        if self._descriptor is not None:
            _write_owner(self._descriptor, address)

    def abandon(self) -> None:
        """Give it up, for the file turned out to be unusable; a new lock file goes too."""
        if self._made:
            with suppress(OSError):
                os.unlink(lock_path(self._path))
        self.release()

    def release(self) -> None:
        """Give it up; may be called twice."""
        with _guard:
            if self._descriptor is None:
                return
            os.close(self._descriptor)
            self._descriptor = None
            for name in self._names:
                _owned.pop(name, None)


def owner_of(path: str) -> int | None:
    """The process that owns the file, if one does. Disturbs nobody."""
    with _guard:
        if _owned_here(_names(path)) is not None:
            return os.getpid()
        try:
            descriptor = os.open(lock_path(path), OPEN | os.O_RDONLY)
        except OSError:
            return None
        try:
            pid = _pid_in(descriptor)
            return pid if pid is not None and _lives(pid) and _is_locked(descriptor) else None
        except OSError:  # a folder, a pipe
            return None
        finally:
            os.close(descriptor)


def last_owner(path: str) -> Owner | None:
    """What the lock file says; its owner may be gone."""
    with _guard:
        lines = _lines(path)
    pid = _number(lines[0])
    if pid is None:
        return None
    address = lines[1] if len(lines) > 2 else b""  # what is cut short is not there yet
    return Owner(pid, os.fsdecode(address) or None)


def _lines(path: str) -> list[bytes]:
    ours = _owned_here(_names(path))
    if ours is not None:
        return os.pread(ours, ADDRESS_BYTES, 0).split(b"\n")
    try:
        descriptor = os.open(lock_path(path), OPEN | os.O_RDONLY)
    except OSError:
        return [b""]
    try:
        return os.pread(descriptor, ADDRESS_BYTES, 0).split(b"\n")
    except OSError:  # a folder, a pipe
        return [b""]
    finally:
        os.close(descriptor)


def _owned_here(names: tuple[Hashable, ...]) -> int | None:
    """The descriptor of the lock file, if this process owns the file."""
    owned = (_owned.get(name, (0, 0)) for name in names)
    return next((descriptor for pid, descriptor in owned if pid == os.getpid()), None)


def _names(path: str) -> tuple[Hashable, ...]:
    """A file is known by its name and by its inode: either may have changed hands."""
    try:
        facts = os.stat(path)
    except OSError:
        return (path,)
    return (path, (facts.st_dev, facts.st_ino))


def _lock(path: str, address: str | None) -> int:
    while True:
        descriptor = os.open(lock_path(path), OPEN | os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _must_be_a_file(descriptor)
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, lock_path(path)):
                _write_owner(descriptor, address)
                return descriptor
        except (BlockingIOError, PermissionError) as error:  # POSIX allows either when it is held
            pid = _pid_in(descriptor)
            os.close(descriptor)
            raise _locked(path, pid) from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # it was deleted before it was ours


def _must_be_a_file(descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "the lock file is no regular file")


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _write_owner(descriptor: int, address: str | None) -> None:
    lines = [str(os.getpid()).encode(), *([] if address is None else [os.fsencode(address)])]
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"".join(line + b"\n" for line in lines), 0)


def _pid_in(descriptor: int) -> int | None:
    return _number(os.pread(descriptor, 32, 0).split(b"\n")[0].strip())


def _number(text: bytes) -> int | None:
    """A process id; None for what is none, however many digits it has."""
    number = int(text) if text.isdigit() else 0
    return number if 0 < number < LARGEST_PID else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it lives, and is somebody else's
        return True
    return True


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _locked(path: str, pid: int | None) -> StoreLocked:
    here = pid == os.getpid()
    who = "this process" if here else "another process" if pid is None else f"process {pid}"
    return StoreLocked(
        f"the database is in use by {who}",
        pid=pid,
        field="path",
        received=path,
        hint="Share the scheduler that has it open, or close that one first."
        if here
        else "Connect to the scheduler that runs there, or stop that process first.",
    )
