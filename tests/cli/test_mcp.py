"""`headrace mcp --print-config`: what it prints can be used as it is."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scheduler.cli.serve import client_configs
from tests.cli.conftest import COMMAND, PATIENCE, Command
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


def test_a_database_in_memory(here: Command) -> None:
    """Is no file in the current folder."""
    servers = json.loads(
        under(sections(here("mcp", "--print-config", "--db", ":memory:").out), "Cursor")
    )
    assert servers["mcpServers"]["headrace"]["args"][-2:] == ["--db", ":memory:"]


@pytest.mark.parametrize("name", ["\N{GRINNING FACE}.db", "naïve 'quoted\".db", "日本語\u3000.db"])
def test_paths_in_all_languages(here: Command, tmp_path: Path, name: str) -> None:
    """Come out of every format as they went in."""
    found = sections(here("mcp", "--print-config", "--db", name).out)
    expected = str(tmp_path / name)
    toml = tomllib.loads(under(found, "config.toml"))
    assert toml["mcp_servers"]["headrace"]["args"][-1] == expected
    assert shlex.split(under(found, "# Claude Code"))[-1] == expected
    assert json.loads(under(found, "Cursor"))["mcpServers"]["headrace"]["args"][-1] == expected


@pytest.mark.parametrize("name", ["\x1b[31m.db", "\u202e.db", "\x7f.db", "\udcff.db", "a\nb.db"])
def test_paths_that_no_configuration_can_hold(here: Command, name: str) -> None:
    """Are refused, and shown in a way that harms no terminal."""
    said = here("mcp", "--print-config", "--db", name, code=2)
    assert said.out == ""
    assert name not in said.err
    said = here("serve", "--print-config", "--token-file", name, code=2)
    assert said.out == ""


def test_every_client_of_a_server(here: Command, tmp_path: Path) -> None:
    """Is told the address, and where it finds the token."""
    said = here("serve", "--print-config", "--http", "127.0.0.1:1234", "--token-file", "my token")
    found = sections(said.out)
    url = "http://127.0.0.1:1234/mcp"
    cursor = json.loads(under(found, "Cursor"))["mcpServers"]["headrace"]
    assert cursor["url"] == url
    assert cursor["headers"] == {"Authorization": "Bearer ${env:HEADRACE_TOKEN}"}
    assert json.loads(under(found, "Gemini"))["mcpServers"]["headrace"]["httpUrl"] == url
    assert json.loads(under(found, ".vscode/mcp.json"))["servers"]["headrace"]["url"] == url
    codex = tomllib.loads(under(found, "config.toml"))["mcp_servers"]["headrace"]
    assert codex == {"url": url, "bearer_token_env_var": "HEADRACE_TOKEN"}
    assert f"{tmp_path}/my token (made by the first `headrace serve`). Put" in said.out
    (tmp_path / "my token").touch()
    assert "made by" not in here("serve", "--print-config", "--token-file", "my token").out


def test_no_command_shows_the_token(here: Command, tmp_path: Path) -> None:
    """The words of a command can be seen by every user of the machine."""
    (tmp_path / "token").write_text("secret\n")
    found = sections(here("serve", "--print-config", "--token-file", "token").out)
    export, add = under(found, "The token is in"), under(found, "# Claude Code")
    stub = 'claude() { printf "%s\\n" "$@"; }'
    script = f"{stub}\n{export}\n{add}\necho $HEADRACE_TOKEN"
    words = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=True, timeout=10
    ).stdout.splitlines()
    assert words[-3:] == ["--header", "Authorization: Bearer ${HEADRACE_TOKEN}", "secret"]


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
def test_at_a_terminal(tmp_path: Path) -> None:
    """It says that it waits for a program, and ends with Ctrl-C."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "mcp", "--db", "tasks.db"],
        cwd=tmp_path,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    assert process.stderr is not None
    assert "`headrace mcp --print-config` says" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    os.close(ours)
    assert (out, err) == ("", "")


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
