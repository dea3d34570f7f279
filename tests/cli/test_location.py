"""Where the database lies when nobody says, in repositories that git itself has made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from stat import S_IMODE

import pytest

from scheduler.cli import location
from scheduler.cli.location import default_database, repository_root
from scheduler.domain.errors import StoreUnavailable
from tests.cli.conftest import Command

HERMETIC = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(folder: Path, *words: str) -> None:
    configured = ["git", "-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main"]
    subprocess.run(
        [*configured, *words], cwd=folder, env=HERMETIC, check=True, capture_output=True, timeout=30
    )


def repository(folder: Path) -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


@pytest.fixture
def main(tmp_path: Path) -> Path:
    return repository(tmp_path.resolve() / "project")


def test_a_repository_from_everywhere_in_it(main: Path) -> None:
    """The root, a folder below it and the git directory itself lead to the same place."""
    (below := main / "src" / "deep").mkdir(parents=True)
    for folder in (main, below, main / ".git", main / ".git" / "refs"):
        assert repository_root(folder) == main


def test_linked_work_trees_share_the_main_one(main: Path) -> None:
    """Also when they lie elsewhere, and from below."""
    git(main, "worktree", "add", "-q", "../other", "-b", "other")
    (below := main.parent / "other" / "src").mkdir()
    assert repository_root(main.parent / "other") == main
    assert repository_root(below) == main


def test_a_submodule_is_a_repository_of_its_own(main: Path) -> None:
    """Its database lies at its own root, and so for the work trees of a submodule."""
    inner = repository(main.parent / "inner")
    git(main, "submodule", "--quiet", "add", str(inner), "libs/inner")
    root = main / "libs" / "inner"
    assert repository_root(root) == root
    git(root, "worktree", "add", "-q", str(main.parent / "linked"), "-b", "linked")
    assert repository_root(main.parent / "linked") == root


def test_a_bare_repository_and_its_work_trees(main: Path) -> None:
    """The folder that holds the bare repository: its work trees often lie beside it."""
    bare = main.parent / "all" / "project.git"
    git(main, "clone", "-q", "--bare", str(main), str(bare))
    git(bare, "worktree", "add", "-q", "../tree")
    assert repository_root(bare) == bare.parent
    assert repository_root(bare / "objects") == bare.parent
    assert repository_root(bare.parent / "tree") == bare.parent


def test_a_git_directory_elsewhere(main: Path) -> None:
    """All work trees of `git init --separate-git-dir` agree."""
    (main.parent / "store").mkdir()
    git(main, "init", "-q", "--separate-git-dir", str(main.parent / "store" / "git"))
    git(main, "worktree", "add", "-q", "../other", "-b", "other")
    assert repository_root(main) == repository_root(main.parent / "other") == main.parent / "store"


def test_a_link_to_a_folder_in_a_repository(main: Path) -> None:
    """What counts is where the folder is."""
    (main / "src").mkdir()
    (link := main.parent / "link").symlink_to(main / "src")
    assert repository_root(link) == main


def test_no_repository(tmp_path: Path) -> None:
    """A folder, a .git that is none, and a pointer to nowhere."""
    assert repository_root(tmp_path) is None
    (tmp_path / ".git").mkdir()
    assert repository_root(tmp_path) is None
    (tmp_path / ".git").rmdir()
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")
    assert repository_root(tmp_path) is None
    (tmp_path / ".git").write_bytes(b"\xff\xfe")
    assert repository_root(tmp_path) is None


def test_somebody_else_owns_the_repository(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it could be a trap laid in /tmp, and is passed over; root's is trusted."""
    owner = main.stat().st_uid
    for user, root in ((owner, main), (owner + 1, main if owner == 0 else None), (0, main)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        assert repository_root(main) == root


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({}, "linux", "/home/a/.local/share/headrace/tasks.db"),
        ({"XDG_DATA_HOME": "/data"}, "linux", "/data/headrace/tasks.db"),
        ({"XDG_DATA_HOME": "relative"}, "linux", "/home/a/.local/share/headrace/tasks.db"),
        ({"XDG_DATA_HOME": "/data"}, "darwin", "/home/a/Library/Application Support/headrace"),
        ({"HEADRACE_DB": "mine.db"}, "linux", "mine.db"),
        ({"HEADRACE_DB": ""}, "linux", "/home/a/.local/share/headrace/tasks.db"),
        ({"GIT_DIR": "/elsewhere"}, "linux", "/home/a/.local/share/headrace/tasks.db"),
    ],
)
def test_outside_of_a_repository(
    tmp_path: Path, environment: dict[str, str], platform: str, expected: str
) -> None:
    """HEADRACE_DB, else the user's data folder of the platform."""
    found = default_database(tmp_path, {"HOME": "/home/a"} | environment, platform)
    assert str(found).removesuffix("/tasks.db") == expected.removesuffix("/tasks.db")


def test_the_first_task_makes_the_folder(
    main: Path, here: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ours alone, git does not see it, and nothing else in the repository changes."""
    monkeypatch.setattr(location, "here", lambda: default_database(main, {}, "linux"))
    for command in ("list", "doctor"):
        error = here(command, "--json", code=5, HEADRACE_DB="").json["error"]
        assert error["message"].startswith("there is no queue here yet")
        assert ("field" in error, error["retryable"]) == (False, False)
    assert not (main / ".headrace").exists()
    here("enqueue", "Build it", HEADRACE_DB="")
    assert S_IMODE((main / ".headrace").stat().st_mode) == 0o700
    assert (main / ".headrace" / ".gitignore").read_text() == "*\n"
    assert {path.name for path in main.iterdir()} == {".git", ".headrace"}
    status = subprocess.run(
        ["git", "status", "--porcelain", "--ignored=no"],
        cwd=main,
        env=HERMETIC,
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert status.stdout == b""
    assert here("list", HEADRACE_DB="").lines[1:]


def test_a_folder_that_cannot_be_made(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which, and the way out."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    found = default_database(main, {}, "linux")
    monkeypatch.setattr(location, "here", lambda: found)
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StoreUnavailable, match="Permission denied") as caught:
        location.prepare(str(found))
    assert caught.value.received == str(main / ".headrace")
    assert "--db" in str(caught.value.hint)


def test_only_the_default_is_prepared(tmp_path: Path) -> None:
    """A folder that somebody named with --db is not made."""
    location.prepare(str(tmp_path / "no" / "tasks.db"))
    location.prepare(":memory:")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------- what a repository may bring along


@pytest.fixture
def default(main: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default database of a repository with a folder for it that came along."""
    monkeypatch.setattr(location, "here", lambda: main / ".headrace" / "tasks.db")
    (main / ".headrace").mkdir()
    (main / ".headrace").chmod(0o755)
    return main / ".headrace" / "tasks.db"


def test_a_database_that_came_along(default: Path, here: Command) -> None:
    """It has a mode that headrace gives to none, and is not used until its user says so."""
    here("enqueue", "a", HEADRACE_DB=str(default.with_name("other.db")))
    default.with_name("other.db").rename(default)
    default.chmod(0o644)
    worker = ("work", "--agent-type", "x", "--exec", "true", "--until-idle")
    for words in (("status",), ("list",), ("enqueue", "b"), worker):
        error = here(*words, "--json", code=5, HEADRACE_DB="").json["error"]
        assert "may have come with the repository" in error["message"]
        assert "chmod 600" in error["hint"]
    default.chmod(0o600)
    assert here("status", "--json", HEADRACE_DB="").json["total_tasks"] == 1


@pytest.mark.parametrize("name", [".headrace", "tasks.db", "tasks.db-wal", "tasks.db.lock"])
def test_links_that_came_along(default: Path, here: Command, name: str) -> None:
    """Lead nowhere: neither the folder nor a file in it."""
    place = default.parent if name == ".headrace" else default.with_name(name)
    target = default.parent.parent / "target"
    if name == ".headrace":
        place.rmdir()
        target.mkdir()
    else:
        target.write_text("precious")
    place.symlink_to(target)
    for command in ("enqueue", "status"):
        words = (command, "a") if command == "enqueue" else (command,)
        said = here(*words, "--json", code=5, HEADRACE_DB="")
    assert "link" in said.json["error"]["message"]
    assert not target.is_dir() or not list(target.iterdir())
    assert target.is_dir() or target.read_text() == "precious"


def test_a_folder_that_came_along(default: Path, here: Command) -> None:
    """Becomes the user's own, and git does not see what is in it."""
    here("enqueue", "a", HEADRACE_DB="")
    assert S_IMODE(default.parent.stat().st_mode) == 0o700
    assert (default.parent / ".gitignore").read_text() == "*\n"


def test_a_disk_without_modes(
    default: Path, here: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all files look alike, this says nothing."""
    here("enqueue", "a", HEADRACE_DB="")
    default.chmod(0o666)
    default.parent.chmod(0o777)
    monkeypatch.setattr(os, "chmod", lambda *_, **__: None)
    assert here("status", "--json", HEADRACE_DB="").json["total_tasks"] == 1


def test_a_database_that_somebody_named(default: Path, here: Command) -> None:
    """Is theirs to judge."""
    named = default.parent.parent / "named.db"
    here("enqueue", "a", HEADRACE_DB=str(named))
    named.chmod(0o644)
    (link := named.with_name("link.db")).symlink_to(named)
    assert here("status", "--json", HEADRACE_DB=str(link)).json["total_tasks"] == 1


# ------------------------------------------------------------- the current folder


def from_a_folder_that_is_gone(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (gone := folder / "gone").mkdir()
    line = f"rmdir {gone}; exec {sys.executable} -m scheduler.cli {' '.join(words)}"
    return subprocess.run(
        ["sh", "-c", line],
        cwd=gone,
        env={n: v for n, v in os.environ.items() if n != "HEADRACE_DB"},
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.process
@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("enqueue", "a", "--db", "relative.db"),
        ("mcp",),
        ("mcp", "--db", "relative.db"),
        ("mcp", "--print-config"),
        ("work", "--agent-type", "x", "--exec", "true", "--db", "relative.db"),
    ],
)
def test_a_current_folder_that_is_gone(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Is told, with a way out."""
    done = from_a_folder_that_is_gone(tmp_path, *words)
    assert "Traceback" not in done.stderr
    assert "current folder" in done.stderr
    assert "--db" in done.stderr
    assert done.returncode == 5


@pytest.mark.process
@pytest.mark.parametrize("words", [("enqueue", "a"), ("mcp",), ("mcp", "--print-config")])
def test_a_whole_name_needs_no_current_folder(tmp_path: Path, words: tuple[str, ...]) -> None:
    """That is the way out."""
    done = from_a_folder_that_is_gone(tmp_path, *words, "--db", str(tmp_path / "tasks.db"))
    assert (done.returncode, done.stderr) == (0, "")
