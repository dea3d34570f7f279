"""The bearer token that every HTTP request must carry: where it lies, and who may read it.

One secret in one file of the user's, made when it is first wanted. The file is read at each
request, so that a replaced token counts from then on and the old one is worth nothing.
"""

from __future__ import annotations

import errno
import hmac
import os
import re
import secrets
import stat
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from scheduler.domain.errors import InvalidRequest

MINIMUM, MAXIMUM = 32, 512  # characters
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")  # what RFC 6750 lets a header carry
_MAKE_ANEW = (
    "Write 32 or more random letters into a file of mode 0600 there, or restart `headrace serve`,"
    " which makes one."
)
_NAME_ANOTHER = (
    "If it is meant to be one, write 32 or more random letters into it; else name another file."
)


def default_path(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """The user's own: `headrace/token` in the folder for settings."""
    home = Path(environment.get("HOME") or Path.home())
    if platform == "darwin":
        return home / "Library" / "Application Support" / "headrace" / "token"
    folder = Path(environment.get("XDG_CONFIG_HOME", ""))
    return (folder if folder.is_absolute() else home / ".config") / "headrace" / "token"


class TokenFile:
    """The token in one file. `ensure` makes it; `admits` compares."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ensure(self) -> bool:
        """Make the file unless it is there, and check it; whether it was made.

        Raises InvalidRequest for a file that others can read, or that holds no token.
        """
        made = self._make()
        self._read()
        return made

    def admits(self, presented: bytes) -> bool:
        """Whether this is the token that the file holds now; compared in constant time.

        Raises InvalidRequest when the file no longer is what `ensure` asks for.
        """
        return hmac.compare_digest(presented, self._read())

    def _make(self) -> bool:
        """Write it whole before it has its name: others may want it at the same moment."""
        if os.path.lexists(self.path):
            return False
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.path.parent, prefix=".token-") as folder:
                os.link(_written(Path(folder) / "token"), self.path)
        except FileExistsError:
            return False
        except OSError as error:
            raise self._wrong(f"cannot be made: {error.strerror}", "Name another one.") from None
        return True

    def _read(self) -> bytes:
        try:
            # A named pipe must not hold up whoever opens it.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise self._unreadable(error) from None
        try:
            facts = os.fstat(descriptor)
            self._check_kind(facts)
            token = os.read(descriptor, MAXIMUM + 2).strip()
        except OSError as error:
            raise self._unreadable(error) from None
        finally:
            os.close(descriptor)
        # Before its mode: nobody should change that of a file that was named by mistake.
        if not (MINIMUM <= len(token) <= MAXIMUM and _TOKEN.fullmatch(token)):
            raise self._wrong("holds no token", _NAME_ANOTHER)
        self._check_mode(facts)
        return token

    def _check_kind(self, facts: os.stat_result) -> None:
        if not stat.S_ISREG(facts.st_mode):
            raise self._wrong("is no regular file", "Name another one.")
        if facts.st_uid != os.geteuid():
            raise self._wrong("belongs to another user", "Name a file of your own.")

    def _check_mode(self, facts: os.stat_result) -> None:
        if facts.st_mode & 0o077:
            raise self._wrong(
                f"can be read or changed by other users (mode {stat.S_IMODE(facts.st_mode):04o})",
                "Run `chmod 600` on it; if others may have read it, delete it and restart"
                " `headrace serve`, which makes a new one.",
            )

    def _unreadable(self, error: OSError) -> InvalidRequest:
        missing = error.errno == errno.ENOENT
        hint = _MAKE_ANEW if missing else "Name a file that you can read."
        return self._wrong(f"cannot be read: {error.strerror}", hint)

    def _wrong(self, what: str, hint: str) -> InvalidRequest:
        return InvalidRequest(
            f"the token file {what}",
            field="--token-file",
            received=str(self.path),
            allowed="a file of yours, mode 0600, with 32 to 512 letters or digits",
            hint=hint,
        )


def _written(path: Path) -> Path:
    """A file with a new token, on the disk."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.fchmod(descriptor, 0o600)  # whatever the umask
        os.write(descriptor, secrets.token_urlsafe(32).encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path
