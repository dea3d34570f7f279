"""Every row of the table of requests and refusals is true."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from scheduler import testing
from tests.endpoint.http_table import TABLE, Row, bytes_of, markdown
from tests.endpoint.over_http import INITIALIZE, Served, serving

PATIENCE = 300.0  # seconds of virtual time


def on_virtual_time(function: Any, *args: Any, **options: Any) -> Any:
    """Time goes on when nothing comes over a socket for a moment."""
    return testing.run(function, *args, **options | {"clock": MockClock(autojump_threshold=0.003)})


virtual = pytest.mark.trio(run=on_virtual_time)


async def told_to(served: Served, request: bytes) -> bytes:
    """All that comes back until the connection is closed, or quiet."""
    told = b""
    stream = await served.connect()
    with trio.move_on_after(PATIENCE):
        try:
            await stream.send_all(request)
            while data := await stream.receive_some(65_536):
                told += data
        except trio.BrokenResourceError:
            pass
    return told


async def check(row: Row, served: Served, session: Mapping[str, Any], folder: Path) -> None:
    told = await told_to(served, bytes_of(row, served, session))
    statuses = tuple(map(int, re.findall(rb"HTTP/1\.1 (\d{3}) ", told)))
    assert statuses == row.answers, (row.name, told[:300])
    if statuses and statuses[-1] >= 400:
        for word in (str(folder).encode(), served.token.encode(), b"Traceback", b"evil.example"):
            assert word not in told, row.name
    allowed = b"access-control-allow-origin" in told.lower()
    assert allowed == (row.name in ("an Origin that was allowed", ASKS)), row.name


ASKS = "an allowed page that asks beforehand"


@virtual
@pytest.mark.parametrize("section", TABLE)
async def test_a_section(section: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each request has its answers; no refusal tells a secret, or leaves a session behind."""
    async with serving(tmp_path) as served:
        session = await served.open_session()
        for row in TABLE[section]:
            await check(row, served, session, tmp_path)
        assert (await served.ask(served.request(INITIALIZE))).status == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@virtual
async def test_refusals_leave_no_session(tmp_path: Path) -> None:
    """However many come."""
    async with serving(tmp_path, max_sessions=1) as served:
        rows = [row for rows in TABLE.values() for row in rows]
        for row in rows:
            if not set(row.answers) & {200, 204}:
                await told_to(served, bytes_of(row, served, {}))
        await served.open_session()


def test_the_table_as_a_page() -> None:
    """A line for each row, and no name twice."""
    names = [row.name for rows in TABLE.values() for row in rows]
    assert len(set(names)) == len(names)
    assert markdown().count("\n") == len(names) + len(TABLE) + 2
