"""What a user types to look at recurring work, and to stop it."""

from __future__ import annotations

from pathlib import Path

import trio

from scheduler import open_scheduler
from tests.cli.conftest import DATABASE, Command


def test_schedules(here: Command, tmp_path: Path) -> None:
    """A table, or JSON; one that is stopped is gone."""

    async def set_up() -> None:
        async with open_scheduler(tmp_path / DATABASE) as scheduler:
            await scheduler.every("366d", "sweep\x1b[31m", name="sweep", agent_type="janitor")
            await scheduler.every("0 0 29 2 *", "leap", name="leap", timezone="Europe/Berlin")

    trio.run(set_up)
    header, leap, sweep = (line.split("\t") for line in here("schedules").lines)
    assert header == ["name", "when", "timezone", "catch_up", "agent_type", "next", "last_task"]
    assert leap[:5] == ["leap", "0 0 29 2 *", "Europe/Berlin", "skip", "general"]
    assert leap[5].endswith("-02-28T23:00:00Z")
    assert sweep[:5] == ["sweep", "366d", "UTC", "skip", "janitor"]
    stopped = here("stop-schedule", "leap", "--json").json
    assert [each["name"] for each in stopped["schedules"]] == ["sweep"]
    assert stopped["schedules"][0]["last_task_id"] is None
    refused = here("stop-schedule", "leap", code=2)
    assert refused.err.startswith("error [invalid_request]: no schedule has this name")


def test_every(here: Command) -> None:
    """Prints what it has set up; the same again changes nothing, another takes its place."""
    words = ["every", "366d", "Sweep", "--agent-type", "janitor", "--limit-key", "disk", "--json"]
    (first,) = here(*words).json["schedules"]
    assert (first["name"], first["when"], first["agent_type"]) == (
        "Sweep (366d)",
        "366d",
        "janitor",
    )
    assert here(*words).json["schedules"] == [first]
    cron = ["every", "0 6 29 2 *", "Build", "--name", "b", "--timezone", "Europe/Berlin"]
    here(*cron, "--catch-up", "once", "--deadline-after", "2h")
    here(*cron, "--group", "g")
    both = {each["name"]: each for each in here("schedules", "--json").json["schedules"]}
    assert set(both) == {"Sweep (366d)", "b"}
    assert (both["b"]["catch_up"], both["b"]["group"]) == ("skip", "g")


def test_what_cannot_recur(here: Command) -> None:
    """A moment of its own, and a time that nobody can tell."""
    for words in (["15 minutes", "x"], ["15m", "x", "--deadline", "+2h"]):
        refused = here("every", *words, code=2)
        assert refused.err.startswith("error [inval")
        assert "hint:" in refused.err


def test_nothing_recurs(here: Command) -> None:
    """Is said beside the empty table."""
    here("enqueue", "x")
    assert here("schedules").err == "Nothing recurs.\n"
    assert here("schedules", "--json").json == {"schedules": []}
