"""Runs the fixture on headrace's HTTP: the same door, rules, connections and session manager.

The suite cannot send a token, so this server adds it to each request before the rules are asked.
Prints its address, and ends when its standard input does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import trio

from scheduler.endpoint.http.addresses import listen, read_place
from scheduler.endpoint.http.refusals import Refusal, Rules
from scheduler.endpoint.http.serving import serve_http
from scheduler.endpoint.http.tokens import TokenFile
from tests.conformance.fixture import Fixture


class _WithToken(Rules):
    def __init__(self, tokens: TokenFile, hosts: Iterable[str], origins: Iterable[str]) -> None:
        super().__init__(tokens, hosts, origins)
        self._header = (b"authorization", b"Bearer " + tokens.path.read_bytes().strip())

    def refusal(self, scope: Any) -> Refusal | None:
        scope["headers"] = [*scope["headers"], self._header]
        return super().refusal(scope)


async def main() -> None:
    """Serve until the end of standard input."""
    with tempfile.TemporaryDirectory() as folder:
        tokens = TokenFile(Path(folder) / "token")
        tokens.ensure()
        place, listeners = await listen(
            read_place("127.0.0.1:0", allow_remote=False, extra_hosts=())
        )
        origins = [f"http://{host}" for host in place.hosts()]  # which the suite sends
        rules = _WithToken(tokens, place.hosts(), origins)
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_until_end_of_input, stop)
            print(place.url(), flush=True)
            await serve_http(Fixture().server, listeners, rules, stop, streams=True)


async def _until_end_of_input(stop: trio.Event) -> None:
    async with trio.lowlevel.FdStream(0) as stream:
        while await stream.receive_some():
            pass
    stop.set()


if __name__ == "__main__":
    trio.run(main)
