"""How to add headrace to the clients that agents live in, over stdio or HTTP."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from scheduler.cli import location
from scheduler.cli.text import safe
from scheduler.domain.errors import InvalidRequest

NAME = "headrace"
VARIABLE = "HEADRACE_TOKEN"  # of the environment in which a client starts
JSON_CLIENTS = (
    "Cursor: ~/.cursor/mcp.json, or .cursor/mcp.json in a project\n"
    "Windsurf: ~/.codeium/windsurf/mcp_config.json"
)
GEMINI = "Gemini CLI: ~/.gemini/settings.json, or .gemini/settings.json in a project"
CODEX = "Codex, by hand: ~/.codex/config.toml"
VS_CODE = "VS Code, in a project: .vscode/mcp.json"

Section = tuple[str, str]  # a title of one or several lines, and what to copy


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
    _check(words)
    command, arguments = words[0], words[1:]
    line = shlex.join(words)
    entry = {"command": command, "args": arguments}
    typed = {"type": "stdio", **entry}
    everyone = "Claude Code, for everyone who works on a project: .mcp.json at its root\n"
    desktop = "\nClaude Desktop: Settings > Developer > Edit Config (claude_desktop_config.json)"
    return _page(
        ("Which database", _database(options)),
        ("Claude Code", f"claude mcp add --scope user {NAME} -- {line}"),
        (f"{everyone}{JSON_CLIENTS}\n{GEMINI}{desktop}", _file("mcpServers", entry)),
        ("VS Code", f"code --add-mcp {shlex.quote(_json({'name': NAME, **typed}))}"),
        (VS_CODE, _file("servers", typed)),
        ("Codex", f"codex mcp add {NAME} -- {line}"),
        (CODEX, _table(command=command, args=arguments)),
        ("OpenCode: opencode.json", _file("mcp", {"type": "local", "command": words})),
        ("Zed: settings.json", _file("context_servers", entry)),
    )


def for_http(url: str, token_file: Path) -> str:
    """The same for `headrace serve`. The token itself stands in none of them.

    It is not in the command for Claude Code either, whose words every user of the machine may
    see: there the client itself looks the variable up.
    """
    file = str(token_file)
    _check([file])
    made = "" if os.path.exists(token_file) else " (made by the first `headrace serve`)"
    environment = f'export {VARIABLE}="$(cat {shlex.quote(file)})"'
    header = f"Authorization: Bearer ${{{VARIABLE}}}"
    from_env = _bearer(f"${{env:{VARIABLE}}}")
    add = f"claude mcp add --transport http {NAME} {url} --header {shlex.quote(header)}"
    return _page(
        (
            f"The token is in {file}{made}. Put it into the environment in which a client starts",
            environment,
        ),
        ("Claude Code", add),
        (JSON_CLIENTS.splitlines()[0], _file("mcpServers", {"url": url, **from_env})),
        (GEMINI, _file("mcpServers", {"httpUrl": url, **_bearer(f"${VARIABLE}")})),
        (VS_CODE, _file("servers", {"type": "http", "url": url, **from_env})),
        (CODEX, _table(url=url, bearer_token_env_var=VARIABLE)),
        ("Claude Desktop, and others that start a program: use `headrace mcp` instead", ""),
    )


def given_options() -> list[str]:
    """The options of this command line that the clients are to pass on."""
    parameters = click.get_current_context().params
    options: list[str] = []
    if click.get_current_context().get_parameter_source("database") in _SAID:
        options += ["--db", location.absolute(parameters["database"])]
    if parameters["tools"] != "core":
        options += ["--tools", parameters["tools"]]
    return options


_SAID = {click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT}


def _check(words: Iterable[str]) -> None:
    """Refuse what a terminal would take for a command to itself, or a file could not hold."""
    for word in words:
        if safe(word) != word:
            raise InvalidRequest(
                "a path holds characters that cannot be written into a configuration",
                received=safe(word),
                allowed="printable characters, in UTF-8",
                hint="Name it by another path, such as a link to it.",
            )


def _database(options: list[str]) -> str:
    if "--db" in options:
        return f"# {options[options.index('--db') + 1]}, whatever folder the client starts it in."
    return (
        f"# Here: {safe(str(location.here()))}\n"
        "# Elsewhere: .headrace/tasks.db at the root of the git repository in which the client\n"
        "# starts it. Clients without a folder, such as Claude Desktop, use the user's data\n"
        "# folder; print this again with --db FILE to name a database once and for all."
    )


def _page(*sections: Section) -> str:
    return "\n\n".join(
        "\n".join([*(f"# {line}" for line in title.splitlines()), *filter(None, [text])])
        for title, text in sections
    )


def _bearer(token: str) -> dict[str, object]:
    return {"headers": {"Authorization": f"Bearer {token}"}}


def _file(section: str, entry: Mapping[str, object]) -> str:
    return json.dumps({section: {NAME: entry}}, indent=2, ensure_ascii=False)


def _table(**entries: object) -> str:
    """For TOML, which writes printable strings, and lists of them, as JSON does."""
    lines = [f"{name} = {_json(value)}" for name, value in entries.items()]
    return "\n".join([f"[mcp_servers.{NAME}]", *lines])


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
