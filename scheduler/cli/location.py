"""Where the database lies when nobody says: one for each repository, else one for each user.

    $HEADRACE_DB
    .headrace/tasks.db   at the root of the git repository around the current folder; all its
                         work trees share that of the main one
    tasks.db             in the user's data folder

Git's own files are read, git itself is not run. Nothing is made before a command needs it. What a
repository brings along in the place of its database is not used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from scheduler.domain.errors import StoreUnavailable

IN_MEMORY = ":memory:"
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
    """The database of this process, if nobody names one."""
    environment = {name: value for name, value in os.environ.items() if name != "HEADRACE_DB"}
    return default_database(current_folder(), environment, sys.platform)


def current_folder() -> Path:
    """The current folder. Raises StoreUnavailable if it has been deleted."""
    try:
        return Path(os.getcwd())
    except FileNotFoundError:
        raise StoreUnavailable(
            "the current folder does not exist any more",
            retryable=False,
            field="--db",
            hint="Go to one that does, or name the database by its whole path with --db.",
        ) from None


def absolute(database: str) -> str:
    """The whole path of a database that was named; in memory it has none."""
    if database == IN_MEMORY:
        return database
    return os.path.normpath(database if os.path.isabs(database) else current_folder() / database)


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
    """Make the folder of a default database ready. Raises StoreUnavailable."""
    check(database)
    folder = Path(database).parent
    if not is_default(database):
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.name == FOLDER:
            with suppress(FileExistsError), (folder / ".gitignore").open("x") as file:
                file.write(IGNORES_ITSELF)
    except OSError as error:
        raise StoreUnavailable(
            f"the folder for the database cannot be made: {error.strerror}",
            retryable=False,
            field="--db",
            received=str(folder),
            allowed="a folder in which files can be made",
            hint="Name a database elsewhere with --db FILE or HEADRACE_DB.",
        ) from None


def check(database: str) -> None:
    """Refuse what a repository may have brought along as its default database.

    Links could lead to any file of the user's. A file that others may read was not made here:
    headrace makes its own with mode 0600, and git none with that. Raises StoreUnavailable.
    """
    path = Path(database)
    if path.parent.name != FOLDER or not is_default(database):
        return
    with suppress(OSError):  # such as that there is none yet
        for link in (path.parent, *path.parent.iterdir()):
            if link.is_symlink():
                raise _brought_along(
                    "there is a link where the database would be", link, "Remove the link"
                )
        os.chmod(path.parent, 0o700)
        has_modes = not path.parent.stat().st_mode & 0o077  # not all disks have
        if has_modes and path.stat().st_mode & 0o077:
            what = "others may read the database here, which headrace lets nobody do"
            raise _brought_along(what, path, "If it is yours, run `chmod 600` on it")


def is_default(database: str) -> bool:
    """Whether it is where nobody need name it."""
    if not os.path.isabs(database):  # the default is absolute
        return False
    try:
        return Path(database) == here()
    except StoreUnavailable:  # without a current folder there is none
        return False


def _brought_along(what: str, path: Path, hint: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"{what}; it may have come with the repository",
        retryable=False,
        field="--db",
        received=str(path),
        allowed="a folder and a file of your own, for you alone",
        hint=f"{hint}; or name a database elsewhere with --db FILE or HEADRACE_DB.",
    )
