"""The reference of the endpoint's figures: a tool that does nothing, on the SDK's own server.

python -m benchmarks.echo_server asyncio|trio     over stdio, on the SDK's transport
python -m benchmarks.echo_server http TOKEN_FILE  over HTTP, on headrace's; prints the URL
"""

from __future__ import annotations

import sys
from pathlib import Path

from mcp.server import MCPServer

echoing = MCPServer("echo")


@echoing.tool()
def echo(description: str) -> dict[str, str]:
    """Give back what was given."""
    return {"description": description}


async def serve_over_http(token_file: Path) -> None:
    """Until killed."""
    import trio

    from scheduler.endpoint.http.addresses import listen, read_place
    from scheduler.endpoint.http.refusals import Rules
    from scheduler.endpoint.http.serving import serve_http
    from scheduler.endpoint.http.tokens import TokenFile

    tokens = TokenFile(token_file)
    tokens.ensure()
    place, listeners = await listen(read_place("127.0.0.1:0", allow_remote=False, extra_hosts=()))
    print(place.url(), file=sys.stderr, flush=True)
    rules = Rules(tokens, place.hosts(()), ())
    await serve_http(echoing._lowlevel_server, listeners, rules, trio.Event())


def main(how: str, *rest: str) -> None:
    """See the module."""
    if how == "asyncio":
        echoing.run("stdio")
        return
    import trio

    if how == "trio":
        trio.run(echoing.run_stdio_async)
    else:
        trio.run(serve_over_http, Path(rest[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])
