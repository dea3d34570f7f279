"""`mcp`: the endpoint for an agent, over standard input and output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scheduler.cli.importing import nothing_collected
from scheduler.cli.options import database_option, tools_option

if TYPE_CHECKING:
    from scheduler.endpoint.tools import Profile


@click.command("mcp")
@database_option
@tools_option
@click.option(
    "--print-config", is_flag=True, help="Print how to add this server to the common clients."
)
def mcp_command(database: str, tools: Profile, print_config: bool) -> None:
    """Serve the queue to an agent over MCP on stdin and stdout.

    An agent's client starts this command itself; it ends when stdin does. Logs go to stderr.

    \b
    Examples:
      headrace mcp --print-config
      claude mcp add --scope user headrace -- headrace mcp
      headrace mcp --db build/tasks.db --tools all
    """
    if print_config:
        from scheduler.cli.serve.client_configs import for_stdio, given_options

        click.echo(for_stdio(given_options()))
        return
    with nothing_collected():
        from scheduler.cli.serve.mcp_session import serve

    click.get_current_context().exit(serve(database, tools))
