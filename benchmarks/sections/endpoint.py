"""What the endpoint costs beside the SDK's own server with a tool that does nothing.

The client is the SDK's, on Trio, one call after the other; both servers are real processes.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import trio
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from benchmarks.measuring import Figure, Gate, at_least, at_most, compare, paired
from benchmarks.workload import Bench, linked_specs
from scheduler import open_scheduler
from torture.processes.stdio import StdioSession, session

CALLS = 150  # in a row, for one value
TURNS = 11  # of ours and the reference: other work of the machine shows in single ones
HTTP_TURNS = 5  # which take three times as long, and keep well away from their gate
SESSIONS, QUICK_SESSIONS = 16, 4
SHARED_TASKS = 960
UNFINISHED = 100_000
BATCH = 10_000


def figures(bench: Bench) -> Iterator[Figure]:
    """Calls one after the other, many sessions at a time, and the start."""
    for runtime in ("asyncio", "trio"):
        yield trio.run(_calls_over_stdio, bench, runtime)
    yield trio.run(_calls_over_http, bench)
    sessions = bench.pick(SESSIONS, QUICK_SESSIONS)
    yield compare(
        f"{sessions} sessions on a file, enqueue to complete / one session",
        "/s",
        lambda: trio.run(_cycles, bench, sessions),
        lambda: trio.run(_cycles, bench, 1),
        at_least(1),
        pairs=bench.pick(3, 1),
    )
    full = bench.new()
    unfinished = bench.pick(UNFINISHED, BATCH)
    trio.run(_fill, full, unfinished)
    yield _starting(bench, "empty file", bench.new, at_most_ratio=1.5)
    yield _starting(bench, f"{unfinished:,} unfinished tasks", lambda: full, at_most_ratio=3.5)


# ----------------------------------------------------------------- calls in a row


async def _calls_over_stdio(bench: Bench, runtime: str) -> Figure:
    ours = _python("-m", "scheduler.cli", "mcp", "--db", bench.new())
    echo = _python("-m", "benchmarks.echo_server", runtime)
    async with Client(ours) as endpoint, Client(echo) as reference:
        measure = f"task_enqueue, stdio / echo on the SDK's stdio ({runtime})"
        return await _in_turns(bench, measure, endpoint, reference, at_least(0.9), at_least(1.5))


async def _calls_over_http(bench: Bench) -> Figure:
    path = bench.new()
    token_file = Path(path).with_suffix(".token")
    serve = ("-m", "scheduler.cli", "serve", "--http", "127.0.0.1:0", "--db", path)
    echo = ("-m", "benchmarks.echo_server", "http", str(token_file))
    async with (
        _over_http(token_file, *serve, "--token-file", str(token_file)) as endpoint,
        _over_http(token_file, *echo) as reference,
    ):
        measure = "task_enqueue, HTTP / echo on the same"
        return await _in_turns(bench, measure, endpoint, reference, at_least(0.6), turns=HTTP_TURNS)


async def _in_turns(
    bench: Bench,
    measure: str,
    endpoint: Client,
    reference: Client,
    gate: Gate,
    goal: Gate | None = None,
    turns: int = TURNS,
) -> Figure:
    pairs: list[tuple[float, float]] = []
    calls = bench.pick(CALLS, CALLS // 5)
    for _ in range(bench.pick(turns, 1) + 1):
        ours = await _rate(endpoint, "task_enqueue", calls)
        pairs.append((ours, await _rate(reference, "echo", calls)))
    return paired(measure, "/s", pairs[1:], gate, goal)


async def _rate(client: Client, tool: str, calls: int) -> float:
    began = time.perf_counter()
    for number in range(calls):
        result = await client.call_tool(tool, {"description": f"task {number}"})
        assert not result.is_error, result
    return calls / (time.perf_counter() - began)


def _python(*arguments: str) -> StdioServerParameters:
    return StdioServerParameters(command=sys.executable, args=list(arguments))


@asynccontextmanager
async def _over_http(token_file: Path, *arguments: str) -> AsyncIterator[Client]:
    """A client of a server that prints its URL to stderr."""
    process = await trio.lowlevel.open_process(
        [sys.executable, *arguments], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert process.stderr is not None
    try:
        url = await _url(process.stderr)
        async with (
            httpx2.AsyncClient(headers=_authorization(token_file), timeout=60) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            yield client
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stderr.aclose()


def _authorization(token_file: Path) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_file.read_text().strip()}"}


async def _url(stderr: trio.abc.ReceiveStream) -> str:
    told = b""
    while (found := re.search(rb"http://\S+/mcp", told)) is None:
        chunk = await stderr.receive_some()
        assert chunk, told
        told += chunk
    return found[0].decode()


# ----------------------------------------------------------------- many sessions


async def _cycles(bench: Bench, sessions: int) -> float:
    """Tasks a second, each enqueued, claimed and completed, by so many sessions at a time."""
    path = Path(bench.new())
    share = bench.pick(SHARED_TASKS, SHARED_TASKS // 10) // sessions
    done: set[str] = set()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(session(path)) for _ in range(sessions)]
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(_work, client, share, done)
        seconds = time.perf_counter() - began
        made = share * sessions
        assert len(done) == made, "a task was not done"
        status = await clients[0].call("task_queue_status")
        assert status["completed"] == made, status
    return made / seconds


async def _work(client: StdioSession, tasks: int, done: set[str]) -> None:
    for number in range(tasks):
        await client.call("task_enqueue", description=f"task {number}")
    claimed = 0
    while claimed < tasks:
        answer = await client.call("task_claim", agent=f"agent-{client.pid}", wait_seconds=10)
        for claim in answer["claims"]:
            task, token = claim["task"]["task_id"], claim["lease_token"]
            assert task not in done, "claimed twice"
            await client.call("task_complete", task_id=task, lease_token=token)
            done.add(task)
            claimed += 1


# ----------------------------------------------------------------- starting


def _starting(bench: Bench, what: str, path: Callable[[], str], *, at_most_ratio: float) -> Figure:
    return compare(
        f"start to first answer, {what} / the SDK's echo server",
        "s",
        lambda: trio.run(_first_answer, _python("-m", "scheduler.cli", "mcp", "--db", path())),
        lambda: trio.run(_first_answer, _python("-m", "benchmarks.echo_server", "asyncio")),
        at_most(at_most_ratio),
        pairs=bench.pick(3, 1),
    )


async def _first_answer(server: StdioServerParameters) -> float:
    """Seconds from the start of a server to its first answer to a call."""
    echoes = "benchmarks.echo_server" in server.args
    tool = "echo" if echoes else "task_enqueue"
    began = time.perf_counter()
    async with Client(server) as client:
        result = await client.call_tool(tool, {"description": "task"})
        seconds = time.perf_counter() - began
        assert not result.is_error, result
    return seconds


async def _fill(path: str, unfinished: int) -> None:
    async with open_scheduler(path) as scheduler:
        for _ in range(unfinished // BATCH):
            await scheduler.enqueue_many(linked_specs(BATCH))
