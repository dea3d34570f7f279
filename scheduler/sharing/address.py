"""Where the owner of a database listens, and who may connect."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import struct
import tempfile
from typing import NamedTuple

import trio

from scheduler.domain.errors import StoreUnavailable

LONGEST = 100  # bytes: macOS allows 103, Linux 107, and a new socket has a suffix at first


def address_for(database: str) -> str:
    """The path of the socket for a database, given by its absolute path.

    Beside the database; in a private folder of the run-time directory if that would be too
    long. The owner writes it into the lock file, so nobody else needs to know the rule.
    """
    beside = database + ".sock"
    return beside if len(os.fsencode(beside)) <= LONGEST else elsewhere(database)


def elsewhere(database: str) -> str:
    """The path in the private folder, also for a file system that cannot hold a socket."""
    name = hashlib.sha256(os.fsencode(database)).hexdigest()[:16]
    return os.path.join(_private_folder(), f"{name}.sock")


def _private_folder() -> str:
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    for folder in (
        os.path.join(base, f"headrace-{os.getuid()}"),
        f"/tmp/headrace-{os.getuid()}",  # noqa: S108 - private, and checked to be ours
    ):
        if len(os.fsencode(folder)) > LONGEST - 24:
            continue
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            facts = os.lstat(folder)
        except OSError:
            continue
        if stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid():
            os.chmod(folder, 0o700)
            return folder
    raise StoreUnavailable(
        "there is no private folder for the socket of the database",
        allowed="a folder of this user, in XDG_RUNTIME_DIR or /tmp",
        hint="Set XDG_RUNTIME_DIR to a folder of your own, or shorten the path of the database.",
    )


class Place(NamedTuple):
    """Where the owner listens."""

    address: str
    listener: trio.SocketListener
    identity: tuple[int, int] | None  # of the socket's file

    def is_gone(self) -> bool:
        """Whether nothing has the name of the socket any more."""
        return identity(self.address) is None

    def leave(self) -> None:
        """Take the socket away, before the database is given up; not that of another owner."""
        if identity(self.address) == self.identity:
            _unlink(self.address)


async def listen(database: str) -> Place:
    """Listen for this database in place of whoever did before; the caller owns it."""
    try:
        return await _listen(address_for(database))
    except OSError:  # the file system has no sockets
        return await _listen(elsewhere(database))


async def _listen(address: str) -> Place:
    """The socket gets its name only when its mode is 0600: there is no moment for others."""
    unfinished = f"{address}.{os.getpid() % 10_000}"
    listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _unlink(unfinished)
        await listening.bind(unfinished)
        os.chmod(unfinished, 0o600)
        listening.listen(128)
        os.rename(unfinished, address)
    except BaseException:
        listening.close()
        _unlink(unfinished)
        raise
    return Place(address, trio.SocketListener(listening), identity(address))


def identity(path: str) -> tuple[int, int] | None:
    """What tells one file of this name from the next; None if there is none."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return


def is_ours(stream: trio.SocketStream) -> bool:
    """Whether the process at the other end is of this user, or of root.

    Where the system does not tell, the socket's mode is all the protection.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    _pid, uid, _gid = struct.unpack("3i", credentials)
    return uid in (os.getuid(), 0)
