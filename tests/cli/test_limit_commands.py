"""What a user types to limit what runs, and what comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from scheduler import open_scheduler
from tests.cli.conftest import DATABASE, Command


def test_limits_and_shares(here: Command) -> None:
    """Each command prints all that is set; a drained lane is paused."""
    here("enqueue", "x", "--agent-type", "builder", "--limit-key", "api")
    assert here("limits").err == "No limits are set.\n"
    here("limit", "--agent-type", "builder", "--concurrency", "4")
    here("limit", "--limit-key", "api", "--starts", "60", "--per", "1m", "--burst", "5")
    shown = here("limit", "--group", "nightly", "--weight", "0.25")
    assert [line.split("\t") for line in shown.lines] == [
        ["for", "name", "at_once", "rate", "weight", "running", "next_start"],
        ["agent_type", "builder", "4", "", "", "0", ""],
        ["group", "nightly", "", "", "0.25", "", ""],
        ["limit_key", "api", "", "60 in 60 s, 5 at once", "", "0", ""],
    ]
    assert here("limit", "--group", "nightly", "--lift").out.count("\n") == 3
    assert here("pause", "builder", "--drain").out == "builder paused\n"


@pytest.mark.parametrize(
    "words",
    [
        ["--agent-type", "a"],
        ["--agent-type", "a", "--concurrency", "0"],
        ["--agent-type", "a", "--concurrency", "1", "--lift"],
        ["--limit-key", "a", "--starts", "1"],
        ["--group", "a", "--concurrency", "1"],
        ["--agent-type", "a", "--weight", "1"],
        ["--concurrency", "1"],
    ],
    ids=" ".join,
)
def test_what_makes_no_limit(here: Command, words: list[str]) -> None:
    """Is refused with what would."""
    here("enqueue", "x")
    refused = here("limit", *words, code=2)
    assert refused.err.startswith("error [invalid_request]: ")
    assert "allowed:" in refused.err
    assert here("limits", "--json").json == {"limits": []}


def test_failed_tasks_are_listed_with_their_story(here: Command, tmp_path: Path) -> None:
    """In short in a table, whole in JSON."""
    failed = here("enqueue", "x").out.strip()

    async def fail() -> None:
        async with open_scheduler(tmp_path / DATABASE) as scheduler:
            (claim,) = await scheduler.claim("w")
            await scheduler.fail(claim, "boom\nTraceback\nKeyError: 'a'", retryable=False)

    trio.run(fail)
    header, row = (line.split("\t") for line in here("list", "--status", "failed").lines)
    assert header[-1] == "error"
    assert (row[0], row[-1]) == (failed, "boom: KeyError: 'a'")
    (task,) = here("list", "--status", "failed", "--json").json["tasks"]
    assert task["error"] == "boom\nTraceback\nKeyError: 'a'"
