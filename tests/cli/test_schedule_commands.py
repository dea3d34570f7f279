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


def test_nothing_recurs(here: Command) -> None:
    """Is said beside the empty table."""
    here("enqueue", "x")
    assert here("schedules").err == "Nothing recurs.\n"
    assert here("schedules", "--json").json == {"schedules": []}
