"""The file with the bearer token."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path

import pytest

from scheduler.domain.errors import InvalidRequest
from scheduler.endpoint.http.tokens import TokenFile, default_path


def test_it_is_made_once_and_admits_what_is_in_it(tmp_path: Path) -> None:
    """With its folders, for the owner alone whatever the umask, and never twice the same."""
    before = os.umask(0)
    try:
        tokens = TokenFile(tmp_path / "new" / "folder" / "token")
        assert tokens.ensure() is True
    finally:
        os.umask(before)
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600
    token = tokens.path.read_bytes().strip()
    assert tokens.ensure() is False
    assert tokens.admits(token)
    assert not tokens.admits(token[:-1]) and not tokens.admits(token + b"x")
    assert not tokens.admits(b"")
    other = TokenFile(tmp_path / "other")
    other.ensure()
    assert not other.admits(token)


def test_two_that_make_it_at_a_time_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither sees a file without a token, and one of them has made it."""
    path, made = tmp_path / "token", []
    make = secrets.token_urlsafe

    def meanwhile(size: int) -> str:
        monkeypatch.setattr(secrets, "token_urlsafe", make)
        made.append(TokenFile(path).ensure())
        return make(size)

    monkeypatch.setattr(secrets, "token_urlsafe", meanwhile)
    tokens = TokenFile(path)
    made.append(tokens.ensure())
    assert made == [True, False]
    assert tokens.admits(path.read_bytes().strip())
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["write", "fsync", "link"])
def test_a_start_that_fails_leaves_no_half_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The next one makes it."""
    tokens = TokenFile(tmp_path / "token")
    with monkeypatch.context() as broken:
        broken.setattr(os, step, _fail)
        with pytest.raises(InvalidRequest, match="cannot be made: No space left"):
            tokens.ensure()
    assert list(tmp_path.iterdir()) == []
    assert tokens.ensure() is True


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o644, 0o666])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    """With the command that mends it."""
    tokens = TokenFile(tmp_path / "token")
    tokens.ensure()
    tokens.path.chmod(mode)
    with pytest.raises(InvalidRequest) as refused:
        tokens.ensure()
    assert f"{mode:04o}" in refused.value.message
    assert "chmod 600" in (refused.value.hint or "")


@pytest.mark.parametrize(
    "content", [b"", b"short", b"x" * 31, b"x" * 513, b"x" * 40 + b"\ny", b"\xff" * 40]
)
def test_a_file_that_holds_no_token_is_refused(tmp_path: Path, content: bytes) -> None:
    """Too short, too long, or not to be sent in a header; what it holds is not shown."""
    path = tmp_path / "token"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(InvalidRequest, match="holds no token") as refused:
        TokenFile(path).ensure()
    assert refused.value.received == str(path)


def test_a_file_that_was_named_by_mistake(tmp_path: Path) -> None:
    """Others may read it, and should go on doing so: no advice to change or delete it."""
    path = tmp_path / "build.toml"
    path.write_text('name = "build"\n')
    path.chmod(0o644)
    with pytest.raises(InvalidRequest, match="holds no token") as refused:
        TokenFile(path).ensure()
    assert "name another file" in (refused.value.hint or "")
    assert "chmod" not in (refused.value.hint or "")


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    """The advice can be followed: no request makes a new one."""
    tokens = TokenFile(tmp_path / "token")
    tokens.ensure()
    tokens.path.unlink()
    with pytest.raises(InvalidRequest, match="cannot be read: No such file") as refused:
        tokens.admits(b"x")
    assert "restart `headrace serve`, which makes one" in (refused.value.hint or "")
    assert "Delete" not in (refused.value.hint or "")
    assert tokens.ensure() is True


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling link"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    """Without waiting for a writer."""
    path = tmp_path / "token"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case _:
            path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(InvalidRequest):
        TokenFile(path).ensure()


def test_it_lies_among_the_users_settings() -> None:
    """A relative XDG_CONFIG_HOME counts as none, as its specification says."""
    home = {"HOME": "/home/anna"}
    assert default_path(home, "linux") == Path("/home/anna/.config/headrace/token")
    xdg = home | {"XDG_CONFIG_HOME": "/etc/anna"}
    assert default_path(xdg, "linux") == Path("/etc/anna/headrace/token")
    relative = home | {"XDG_CONFIG_HOME": "settings"}
    assert default_path(relative, "linux") == Path("/home/anna/.config/headrace/token")
    mac = Path("/home/anna/Library/Application Support/headrace/token")
    assert default_path(xdg, "darwin") == mac


def _fail(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
