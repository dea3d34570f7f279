"""How to add `headrace mcp` to the clients that agents live in."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

import click

from scheduler.cli import location

NAME = "headrace"


def executable() -> list[str]:
    """The words that start this very headrace from anywhere."""
    script = Path(sys.argv[0])
    if script.name == "headrace" and script.is_file():
        return [str(script.absolute())]
    beside = Path(sys.executable).with_name("headrace")
    if beside.is_file():
        return [str(beside)]
    return [sys.executable, "-m", "scheduler.cli"]


def for_stdio(options: list[str]) -> str:
    """Commands and files for each client; `options` are those of `headrace mcp`."""
    words = [*executable(), "mcp", *options]
    command, arguments = words[0], words[1:]
    line = shlex.join(words)
    entry: dict[str, object] = {"command": command, "args": arguments}
    servers = {"mcpServers": {NAME: entry}}
    sections = [
        ("Claude Code", f"claude mcp add --scope user {NAME} -- {line}"),
        (
            "Claude Code, for everyone who works on a project: .mcp.json at its root\n"
            "Cursor: ~/.cursor/mcp.json, or .cursor/mcp.json in a project\n"
            "Gemini CLI: ~/.gemini/settings.json, or .gemini/settings.json in a project\n"
            "Claude Desktop: Settings > Developer > Edit Config (claude_desktop_config.json)\n"
            "Windsurf: ~/.codeium/windsurf/mcp_config.json",
            _json(servers),
        ),
        (
            "VS Code",
            "code --add-mcp " + shlex.quote(json.dumps({"name": NAME, "type": "stdio", **entry})),
        ),
        (
            "VS Code, in a project: .vscode/mcp.json",
            _json({"servers": {NAME: {"type": "stdio", **entry}}}),
        ),
        ("Codex", f"codex mcp add {NAME} -- {line}"),
        (
            "Codex, by hand: ~/.codex/config.toml",
            f"[mcp_servers.{NAME}]\ncommand = {_toml(command)}\nargs = {_toml(arguments)}",
        ),
        (
            "OpenCode: opencode.json",
            _json({"mcp": {NAME: {"type": "local", "command": words}}}),
        ),
        ("Zed: settings.json", _json({"context_servers": {NAME: entry}})),
    ]
    return "\n\n".join(
        "\n".join(f"# {line}" for line in title.splitlines()) + f"\n{text}"
        for title, text in [("Which database", _database(options)), *sections]
    )


def given_options() -> list[str]:
    """The options of this command line that the clients are to pass on."""
    parameters = click.get_current_context().params
    options: list[str] = []
    if click.get_current_context().get_parameter_source("database") in _SAID:
        options += ["--db", os.path.abspath(parameters["database"])]
    if parameters["tools"] != "core":
        options += ["--tools", parameters["tools"]]
    return options


_SAID = {click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT}


def _database(options: list[str]) -> str:
    if "--db" in options:
        return f"# {options[options.index('--db') + 1]}, whatever folder the client starts it in."
    return (
        f"# Here: {location.here()}\n"
        "# Elsewhere: .headrace/tasks.db at the root of the git repository in which the client\n"
        "# starts it. Clients without a folder, such as Claude Desktop, use the user's data\n"
        "# folder; print this again with --db FILE to name a database once and for all."
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _toml(value: object) -> str:
    """Strings and lists of them are written alike in JSON and TOML."""
    return json.dumps(value)
