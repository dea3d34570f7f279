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
