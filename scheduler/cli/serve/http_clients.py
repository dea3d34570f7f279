"""How the common clients are told of an endpoint over HTTP."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

VARIABLE = "HEADRACE_TOKEN"


def configurations(url: str, token_file: Path) -> str:
    """Commands and files for the common clients. The token itself stands in none of them."""
    file = shlex.quote(str(token_file))
    return f"""\
# The token is in {token_file}. Put it into the environment in which a client starts:
export {VARIABLE}="$(cat {file})"

# Claude Code
claude mcp add --transport http headrace {url} --header "Authorization: Bearer ${VARIABLE}"

# Codex: ~/.codex/config.toml
[mcp_servers.headrace]
url = "{url}"
bearer_token_env_var = "{VARIABLE}"

# Cursor: ~/.cursor/mcp.json, or .cursor/mcp.json in a project
{_file("mcpServers", url=url, headers=_bearer("${env:" + VARIABLE + "}"))}

# Gemini CLI: ~/.gemini/settings.json
{_file("mcpServers", httpUrl=url, headers=_bearer("$" + VARIABLE))}

# VS Code: .vscode/mcp.json
{_file("servers", type="http", url=url, headers=_bearer("${env:" + VARIABLE + "}"))}

# Claude Desktop, and other clients that start a program: use `headrace mcp` instead."""


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _file(section: str, **server: object) -> str:
    return json.dumps({section: {"headrace": server}}, indent=2)
