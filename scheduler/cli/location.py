"""Where the database lies when nobody says: one for each repository, else one for each user.

    $HEADRACE_DB
    .headrace/tasks.db   at the root of the git repository around the current folder; all its
                         work trees share that of the main one
    tasks.db             in the user's data folder

Git's own files are read, git itself is not run. Nothing is made before a command needs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from scheduler.domain.errors import StoreUnavailable

FILE = "tasks.db"
FOLDER = ".headrace"
IGNORES_ITSELF = "*\n"  # a .gitignore that hides the folder and itself


def default_database(folder: Path, environment: Mapping[str, str], platform: str) -> Path:
    """The database of a process in `folder`; an absolute path unless $HEADRACE_DB is relative."""
    if named := environment.get("HEADRACE_DB"):
        return Path(named)
    root = repository_root(folder)
    return (root / FOLDER if root is not None else data_folder(environment, platform)) / FILE


def here() -> Path:
    """The database of this process."""
    return default_database(Path.cwd(), os.environ, sys.platform)


def data_folder(environment: Mapping[str, str], platform: str) -> Path:
    """The user's folder for data of headrace."""
    home = Path(environment.get("HOME") or Path.home())
    if platform == "darwin":
        return home / "Library" / "Application Support" / "headrace"
    named = Path(environment.get("XDG_DATA_HOME", ""))
    return (named if named.is_absolute() else home / ".local" / "share") / "headrace"


def repository_root(folder: Path) -> Path | None:
    """The folder that holds the repository's common git directory; for a submodule its root.

    None outside of a repository, and in one that belongs to another user.
    """
    for place in (folder.resolve(), *folder.resolve().parents):
        git = _git_directory(place)
        if git is not None:
            common = _common_directory(git)
            return _root_of(common) if _is_trusted(common) else None
    return None


def _git_directory(place: Path) -> Path | None:
    """The git directory of a work tree that begins here, or of a bare repository."""
    entry = place / ".git"
    if _is_git_directory(entry):
        return entry
    pointer = _first_line(entry)
    if pointer is not None and pointer.startswith("gitdir:"):
        target = place / pointer.removeprefix("gitdir:").strip()
        return target.resolve() if _is_git_directory(target) else None
    return place if _is_git_directory(place) else None


def _is_git_directory(path: Path) -> bool:
    """Whether git would take it: a linked work tree has its objects in the common directory."""
    with suppress(OSError):
        return (path / "HEAD").is_file() and (
            (path / "objects").is_dir() or (path / "commondir").is_file()
        )
    return False


def _common_directory(git: Path) -> Path:
    """The directory that all work trees of a repository share."""
    common = _first_line(git / "commondir")
    return git if common is None else (git / common).resolve()


def _root_of(common: Path) -> Path:
    if common.name != ".git":
        for line in _core_settings(common):
            name, _, value = line.partition("=")
            if name.strip().lower() == "worktree":  # as git sets it for a submodule
                return (common / value.strip().strip('"')).resolve()
    return common.parent


def _core_settings(common: Path) -> Iterator[str]:
    section = ""
    with suppress(OSError, UnicodeDecodeError):
        for line in (common / "config").read_text("utf-8").splitlines():
            if line.lstrip().startswith("["):
                section = line.strip().lower()
            elif section == "[core]":
                yield line


def _is_trusted(common: Path) -> bool:
    """Whether nobody else can have laid the repository in our way, such as in /tmp."""
    user = os.geteuid()
    with suppress(OSError):
        return user == 0 or common.stat().st_uid in (0, user)
    return False


def _first_line(path: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        if path.is_file():
            with path.open(encoding="utf-8") as file:
                return file.readline(4096).strip()
    return None


def prepare(database: str) -> None:
    """Make the folder of a default database, if it is not there. Raises StoreUnavailable."""
    folder = Path(database).parent
    if database == ":memory:" or folder.is_dir() or Path(database) != here():
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.name == FOLDER:
            (folder / ".gitignore").write_text(IGNORES_ITSELF, "utf-8")
    except OSError as error:
        raise StoreUnavailable(
            f"the folder for the database cannot be made: {error.strerror}",
            field="--db",
            received=str(folder),
            allowed="a folder in which files can be made",
            hint="Name a database elsewhere with --db FILE or HEADRACE_DB.",
        ) from None
