"""Kills the owner of a shared file with kill -9, over and over, under load from other sessions.

Each session is a `headrace mcp` process with a client of its own, which enqueues a task, claims
one and completes it, again and again. The process that owns the file is killed at random
moments; its own client starts a new session. Then it must hold that

- every call of every other session was answered, and not with an error,
- every task whose enqueue was acknowledged is on record, and no enqueue made two,
- no task was handed to two workers, and what was completed stays completed.

    python -m benchmarks.campaigns.kill_owner --kills 50 --sessions 6 --seed 1
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import trio

from benchmarks.campaigns.raw_session import RawSession, SessionEndedError, ToolError, session
from persistence.ownership import last_owner

LIMIT = 600.0  # seconds, for all of it


@dataclass
class Campaign:
    """What the clients saw."""

    enqueued: dict[str, str] = field(default_factory=dict)  # description -> id, acknowledged
    tried: set[str] = field(default_factory=set)
    claimed: Counter[str] = field(default_factory=Counter)  # by id
    completed: set[str] = field(default_factory=set)
    pauses: list[float] = field(default_factory=list)  # seconds, the longest call after each kill
    errors: list[str] = field(default_factory=list)
    killed: set[int] = field(default_factory=set)
    longest: float = 0.0  # seconds, since the last kill
    worst: float = 0.0  # seconds, of all
    calls: int = 0
    done: bool = False


async def call(campaign: Campaign, client: RawSession, tool: str, **arguments: object) -> object:
    """A call that must be answered, if its own server was not the one that was killed."""
    before = time.perf_counter()
    try:
        answer = await client.call(tool, **arguments)
    except ToolError as error:
        campaign.errors.append(f"{tool}: {error}")
        raise SessionEndedError from error
    except SessionEndedError:
        if client.pid not in campaign.killed:
            campaign.errors.append(f"{tool}: session {client.pid} ended by itself")
        raise
    took = time.perf_counter() - before
    campaign.longest, campaign.worst = max(campaign.longest, took), max(campaign.worst, took)
    campaign.calls += 1
    return answer


async def work(campaign: Campaign, client: RawSession, name: str) -> None:
    """Enqueue, claim, complete; until the campaign is over."""
    serial = 0
    while not campaign.done:
        serial += 1
        description = f"{name}-{client.pid}-{serial}"
        campaign.tried.add(description)
        made = await call(campaign, client, "task_enqueue", description=description)
        assert isinstance(made, dict)
        campaign.enqueued[description] = made["task_id"]
        got = await call(campaign, client, "task_claim", agent=name, lease_seconds=3600)
        assert isinstance(got, dict)
        for claim in got["claims"]:
            task = claim["task"]["task_id"]
            campaign.claimed[task] += 1
            token = claim["lease_token"]
            await call(campaign, client, "task_complete", task_id=task, lease_token=token)
            campaign.completed.add(task)


async def agent(campaign: Campaign, database: Path, name: str) -> None:
    """A client that starts another session when its own was killed."""
    while not campaign.done:
        try:
            async with session(database) as client:
                await work(campaign, client, name)
        except (SessionEndedError, BaseExceptionGroup):
            continue


async def kill_owners(
    campaign: Campaign, database: Path, kills: int, chance: random.Random
) -> None:
    """Find the owner and kill it, so many times."""
    while len(campaign.killed) < kills:
        campaign.longest = 0.0
        await trio.sleep(chance.uniform(0.3, 1.2))
        owner = last_owner(str(database))
        if owner is None or owner.pid in campaign.killed or owner.pid == os.getpid():
            continue
        calls = campaign.calls
        campaign.longest = 0.0
        campaign.killed.add(owner.pid)
        os.kill(owner.pid, signal.SIGKILL)
        with trio.move_on_after(30):
            while campaign.calls < calls + 20:  # noqa: ASYNC110 - of other processes
                await trio.sleep(0.01)
        campaign.pauses.append(campaign.longest)
    campaign.done = True


def violations(campaign: Campaign, database: Path) -> list[str]:
    """Broken promises, as sentences."""
    with closing(sqlite3.connect(database)) as file:
        rows = file.execute("SELECT id, description, status, attempt FROM tasks").fetchall()
    from scheduler.domain.ids import encode

    on_record = {encode(number): (status, attempt) for number, _, status, attempt in rows}
    made = Counter(description for _, description, _, _ in rows)
    wrong = list(campaign.errors)
    wrong += [
        f"{task} was acknowledged and is lost"
        for task in set(campaign.enqueued.values()) - set(on_record)
    ]
    wrong += [
        f"{description} was made {count} times" for description, count in made.items() if count > 1
    ]
    wrong += [f"{description} was never asked for" for description in set(made) - campaign.tried]
    wrong += [
        f"{task} was claimed {count} times" for task, count in campaign.claimed.items() if count > 1
    ]
    wrong += [
        f"{task} was completed and is {on_record[task][0]}"
        for task in campaign.completed
        if task in on_record and on_record[task][0] != "completed"
    ]
    return wrong


async def run(database: Path, kills: int, sessions: int, chance: random.Random) -> Campaign:
    """The whole campaign."""
    campaign = Campaign()
    with trio.fail_after(LIMIT):
        async with trio.open_nursery() as nursery:
            for n in range(sessions):
                nursery.start_soon(agent, campaign, database, f"agent-{n}")
            await kill_owners(campaign, database, kills, chance)
    return campaign


def main() -> int:
    """Run it and print what was seen; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--sessions", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "tasks.db"
        chance = random.Random(options.seed)
        started = time.perf_counter()
        campaign = trio.run(run, database, options.kills, options.sessions, chance)
        wrong = violations(campaign, database)
        took = time.perf_counter() - started
    pauses = sorted(campaign.pauses)
    print(
        f"{len(campaign.killed)} owners killed in {took:.0f} s, {campaign.calls:,} calls answered, "
        f"{len(campaign.enqueued):,} tasks enqueued, {len(campaign.completed):,} completed"
    )
    median = pauses[len(pauses) // 2]
    print(f"longest call after a kill: median {median:.3f} s; of all: {campaign.worst:.3f} s")
    for sentence in wrong[:20]:
        print("BROKEN:", sentence)
    print(f"{len(wrong)} promises broken")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
