"""Network file systems are refused; what the system does not tell is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from persistence.filesystem import file_system, refuse_network
from scheduler.domain.errors import StoreUnavailable

MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/vdb /home/local xfs rw 0 0
me@host: /mnt/my\\040host fuse.sshfs rw 0 0
share /srv 9p rw 0 0
server:/over /over nfs rw 0 0
tmpfs /over tmpfs rw 0 0
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    table = tmp_path / "mounts"
    table.write_text(MOUNTS)
    return table


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/tasks.db", "ext4"),
        ("/homes/tasks.db", "ext4"),
        ("/home/me/tasks.db", "nfs4"),
        ("/home/local/tasks.db", "xfs"),
        ("/mnt/my host/tasks.db", "fuse.sshfs"),
        ("/over/tasks.db", "tmpfs"),
    ],
)
def test_the_innermost_latest_mount_counts(mounts: Path, path: str, kind: str) -> None:
    """A mount covers what was mounted around it and before it."""
    assert file_system(path, mounts) == kind


@pytest.mark.parametrize("path", ["/home/me/tasks.db", "/mnt/my host/tasks.db"])
def test_a_network_file_system_is_refused(mounts: Path, path: str) -> None:
    """With its type, and what to do instead."""
    with pytest.raises(StoreUnavailable, match="network file system") as caught:
        refuse_network(path, mounts)
    assert caught.value.hint is not None


@pytest.mark.parametrize("path", ["/tasks.db", "/srv/tasks.db"])
def test_other_file_systems_are_not(mounts: Path, path: str) -> None:
    """9p may be a virtual machine's own disk."""
    refuse_network(path, mounts)
    refuse_network(path, mounts.parent / "absent")
