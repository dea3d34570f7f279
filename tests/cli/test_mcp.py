"""`headrace mcp --print-config`: what it prints can be used as it is."""

from __future__ import annotations

import json
import os
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scheduler.cli.serve import client_configs
from tests.cli.conftest import Command
from tests.endpoint.raw_stdio import RawSession


def sections(text: str) -> dict[str, str]:
    """What stands under each title."""
    found = {}
    for block in text.strip().split("\n\n"):
        lines = block.splitlines()
        title = [line for line in lines if line.startswith("#")]
        found[" ".join(title)] = "\n".join(line for line in lines if line not in title)
    return found


def under(found: dict[str, str], client: str) -> str:
    return next(text for title, text in found.items() if client in title and text)


def test_every_client_starts_the_same(here: Command, tmp_path: Path) -> None:
    """An absolute command with the options that were given, in each format."""
    printed = here("mcp", "--print-config", "--db", "my file.db", "--tools", "all").out
    found = sections(printed)
    options = ["mcp", "--db", str(tmp_path / "my file.db"), "--tools", "all"]
    words = shlex.split(under(found, "# Claude Code"))
    expected = words[words.index("--") + 1 :]
    assert os.path.isabs(expected[0])
    assert os.access(expected[0], os.X_OK)
    assert expected[-len(options) :] == options
    codex = shlex.split(under(found, "# Codex"))
    assert codex[codex.index("--") + 1 :] == expected
    servers: list[Any] = [
        json.loads(under(found, "Cursor"))["mcpServers"]["headrace"],
        json.loads(under(found, ".vscode/mcp.json"))["servers"]["headrace"],
        json.loads(under(found, "Zed"))["context_servers"]["headrace"],
        json.loads(shlex.split(under(found, "# VS Code"))[-1]),
        tomllib.loads(under(found, "config.toml"))["mcp_servers"]["headrace"],
    ]
    for server in servers:
        assert [server["command"], *server["args"]] == expected
    assert json.loads(under(found, "OpenCode"))["mcp"]["headrace"]["command"] == expected
    assert not list(tmp_path.iterdir())


def test_the_default_database(here: Command, tmp_path: Path) -> None:
    """Without --db nothing is pinned: each repository has its own."""
    printed = here("mcp", "--print-config", HEADRACE_DB="", XDG_DATA_HOME=str(tmp_path)).out
    assert f"Here: {tmp_path}/headrace/tasks.db" in printed
    assert "--db" not in under(sections(printed), "Cursor")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("argument", ["headrace", "__main__.py"])
def test_the_executable(argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script that was started; else that of this interpreter, else its module."""
    script = tmp_path / argument
    script.touch()
    monkeypatch.setattr("sys.argv", [str(script)])
    found = client_configs.executable()
    assert (found == [str(script)]) == (argument == "headrace")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("sys.argv", [""])
    if argument != "headrace":
        assert client_configs.executable() == [str(tmp_path / "python"), "-m", "scheduler.cli"]


@pytest.mark.process
@pytest.mark.parametrize("trouble", ["a file in its place", "a database that came along"])
def test_a_default_database_that_cannot_be_used(tmp_path: Path, trouble: str) -> None:
    """Each call says why, and that it will not pass; the database is left alone."""
    (tmp_path / ".git" / "objects").mkdir(parents=True)
    (tmp_path / ".git" / "HEAD").touch()
    folder = tmp_path / ".headrace"
    if trouble == "a file in its place":
        folder.touch()
        expected = "the folder for the database cannot be made: File exists"
    else:
        folder.mkdir()
        (folder / "tasks.db").touch(0o644)
        expected = "others may read the database here"
    session = RawSession(folder / "tasks.db", cwd=tmp_path)
    try:
        answers = [session.call("task_queue_status"), session.call("task_list")]
    finally:
        session.end()
    for error in answers:
        assert error["message"].startswith(expected)
        assert not error["retryable"]
        assert "Then start this session anew." in error["hint"]
    assert folder.is_file() or (folder / "tasks.db").stat().st_size == 0
