"""`headrace serve`: the MCP endpoint over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scheduler.cli.options import database_option, tools_option

if TYPE_CHECKING:
    from scheduler.endpoint.tools import Profile


@click.command("serve")
@database_option
@click.option(
    "--http",
    default="127.0.0.1:8787",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0 for any.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Holds the bearer token; made if it is not there. Default: headrace/token among your"
    " settings.",
)
@tools_option
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Another Host under which clients ask for it, as a proxy or an ssh tunnel makes them.",
)
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="A web page's origin that may come in, such as http://localhost:3000. None may else.",
)
@click.option(
    "--allow-remote",
    is_flag=True,
    help="Listen where other machines can reach it, though nothing is encrypted.",
)
@click.option("--print-config", is_flag=True, help="Print how clients are told of it, and end.")
def serve_command(
    database: str,
    http: str,
    token_file: Path | None,
    tools: Profile,
    hosts: tuple[str, ...],
    origins: tuple[str, ...],
    allow_remote: bool,
    print_config: bool,
) -> None:
    """Serve the tools for agents over HTTP (MCP), to any number of clients at a time.

    Every client needs the bearer token in the token file, which is made at the first start.
    Ends on Ctrl-C or SIGTERM.

    \b
    Examples:
      headrace serve                       at http://127.0.0.1:8787/mcp
      headrace serve --print-config        how to tell your clients
      headrace serve --http 127.0.0.1:0 --tools all
    """
    from scheduler.endpoint.http.addresses import check_names, read_place
    from scheduler.endpoint.http.tokens import default_path

    check_names(hosts, origins)
    place = read_place(http, allow_remote=allow_remote, extra_hosts=hosts)
    token_file = (token_file or default_path()).absolute()
    if print_config:
        from scheduler.cli.serve.client_configs import for_http

        if not place.port:
            raise click.BadParameter("port 0 is chosen at the start; name one", param_hint="--http")
        click.echo(for_http(place.url(), token_file))
        return
    from scheduler.cli.serve.serve_session import Settings, serve

    serve(Settings(database, tools, http, token_file, allow_remote, hosts, origins))
