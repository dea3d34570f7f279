"""Which file systems a database may lie on: those where locks and shared memory work."""

from __future__ import annotations

import os
import re
from pathlib import Path

from persistence.failures import unavailable

# SQLite's log needs shared memory between processes, which machines do not share:
# https://sqlite.org/wal.html#overview. 9p is not here: a virtual machine's own disk may be one.
NETWORK = frozenset({"afs", "ceph", "cifs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}) | {
    f"fuse.{kind}" for kind in ("ceph", "davfs", "glusterfs", "rclone", "s3fs", "sshfs")
}
MOUNTS = Path("/proc/self/mounts")
_OCTAL = re.compile(r"\\([0-7]{3})")  # how blanks are written there


def refuse_network(path: str, mounts: Path = MOUNTS) -> None:
    """Raise StoreUnavailable if `path` is known to lie on a network file system."""
    kind = file_system(path, mounts)
    if kind in NETWORK:
        raise unavailable(
            f"the database would lie on a network file system ({kind})",
            path,
            "Keep it on a local disk and let other machines come in over the network.",
        )


def file_system(path: str, mounts: Path = MOUNTS) -> str | None:
    """The type of the file system that holds `path`; None where the system does not tell."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:  # not Linux
        return None
    path, best, kind = os.path.realpath(path), "", None
    for line in lines:
        _, point, found, *_ = line.split(" ")
        point = _OCTAL.sub(lambda escape: chr(int(escape[1], 8)), point)
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # of two on one point, the later one covers
            best, kind = point, found
    return kind
