"""What a user types to work with the queue, and what comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command, Headrace


@pytest.mark.process
def test_a_first_day_with_the_queue(headrace: Headrace) -> None:
    """Through a pipe enqueue prints the id alone, lists are tab-separated under a header."""
    build = headrace("enqueue", "Build the wheel", "--base-priority", "8").out.strip()
    assert len(build) == 13
    publish = headrace("enqueue", "Publish it", "--prerequisite", build).out.strip()

    table = [line.split("\t") for line in headrace("list").lines]
    columns = "id status priority blocked_by agent_type holder summary"
    assert table[0] == columns.split()
    assert [(row[0], row[1], row[3], row[6]) for row in table[1:]] == [
        (publish, "blocked", "1", "Publish it"),
        (build, "ready", "0", "Build the wheel"),
    ]

    shown = headrace("get", publish).out
    assert f"{build}  ready      Build the wheel" in shown
    assert ["ready", "1"] in [line.split() for line in headrace("status").lines]
    assert headrace("explain", publish).out.count(build) == 1
    assert headrace("plan").lines[1:3] == [f"1\t1\t{build}", f"2\t1\t{publish}"]

    assert headrace("cancel", build, "--dry-run").lines == [
        f"{build} would be cancelled",
        f"{publish} would be cancelled",
    ]
    headrace("cancel", build, "--reason", "superseded")
    assert headrace("cancel", build, code=4).err.startswith("error [already_finished]: ")
    assert headrace("retry", build, "--cascade").lines == [f"{build} ready", f"{publish} blocked"]


def test_json_of_every_command(here: Command) -> None:
    """Each command prints one JSON object with the field names of the MCP tools."""
    asked = ["--agent-type", "builder", "--group", "g", "--estimated-duration", "2m"]
    made = here("enqueue", "Build\nslowly", *asked, "--key", "k", "--json").json
    assert set(made) == {
        "task_id", "status", "calculated_priority", "dependency_depth", "existing"
    }  # fmt: skip
    again = here("enqueue", "Build\nslowly", *asked, "--key", "k", "--json").json
    assert again == made | {"existing": True}
    first = made["task_id"]
    second = here(
        "enqueue", "Test", "--run-after", first, "--payload", '{"a": [1]}', "--deadline", "+2h",
        "--json", "--not-before", "2020-01-01T00:00:00+02:00", "--timeout", "90", "--summary", "T",
        "--max-attempts", "2", "--source", "agent_planner", "--parent-id", first,
    ).json["task_id"]  # fmt: skip

    listed = here("list", "--group", "g", "--json").json
    assert listed["has_more"] is False
    assert (
        listed["tasks"]
        == [
            {
                "task_id": first,
                "summary": "Build",
                "status": "ready",
                "agent_type": "builder",
                "group": "g",
                "calculated_priority": made["calculated_priority"],
                "blocked_by": 0,
            }
        ]
        or listed["tasks"][0]["calculated_priority"] > made["calculated_priority"]
    )

    got = here("get", second, "--json").json
    assert got["payload"] == {"a": [1]}
    assert got["run_after"] == [{"task_id": first, "summary": "Build", "status": "ready"}]
    assert got["not_before"] == "2019-12-31T22:00:00Z"
    assert (got["timeout"], got["max_attempts"], got["parent_id"]) == (90.0, 2, first)
    assert not any("token" in field for field in got)

    status = here("status", "--json").json
    assert (status["total_tasks"], status["ready"], status["blocked"]) == (2, 1, 1)
    assert {"avg_priority", "oldest_pending", "max_depth", "database"} <= set(status)

    plan = here("plan", first, second, "--workers", "2", "--json").json
    assert plan["batches"] == [[first], [second]]
    assert plan["critical_path"] == [first, second]
    assert plan["makespan_seconds"] == plan["critical_path_seconds"] == 180.0

    why = here("explain", second, "--json").json
    assert [other["task_id"] for other in why["blocked_by"]] == [first]
    assert set(why["components"]) == {"base", "criticality", "urgency", "blocking", "source"}

    changed = here("update", second, "--base-priority", "9", "--clear", "deadline", "--json")
    assert (changed.json["base_priority"], changed.json["deadline"]) == (9, None)

    third = here("enqueue", "Third", "--json").json["task_id"]
    waiting = here("add-prerequisites", third, second, "--json").json
    assert (waiting["status"], waiting["prerequisites"]) == ("blocked", [second])

    assert here("pause", "builder", "--json").json == {"agent_type": "builder", "paused": True}
    assert here("status", "--json").json["paused"] == ["builder"]
    assert here("resume", "builder", "--json").json["paused"] is False

    limit = ["limit", "--limit-key", "api", "--starts", "60", "--per", "1m", "--json"]
    (status,) = here(*limit).json["limits"]
    assert (status["kind"], status["name"], status["per"]) == ("limit_key", "api", 60.0)
    assert here("limits", "--json").json["limits"] == [status]
    assert here("limit", "--limit-key", "api", "--lift", "--json").json["limits"] == []

    gone = here("cancel", second, "--json").json
    assert (gone["cancelled_task_id"], gone["cascaded_task_ids"]) == (second, [third])
    assert gone["total_cancelled"] == 2
    back = here("retry", second, "--cascade", "--json").json
    assert back["reopened_task_ids"] == [second, third]

    checked = here("doctor", "--json").json
    assert checked["problems"] == 0
    assert all(set(f) == {"severity", "what", "advice"} for f in checked["findings"])


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("enqeue", "x"), "Did you mean enqueue?"),
        (("list", "--status", "done"), "Did you mean completed?"),
        (("list", "--status", "redy"), "Did you mean ready?"),
        (("plan", "--group", "montag"), "Did you mean montage?"),
        (("plan", "--group", "x"), "`headrace list --json` shows the group"),
    ],
)
def test_a_name_that_does_not_exist(here: Command, words: tuple[str, ...], hint: str) -> None:
    """Is refused, with the nearest one that does."""
    here("enqueue", "x", "--group", "montage")
    assert hint in here(*words, code=2).err


def test_a_pause_of_what_nobody_does(here: Command) -> None:
    """Is noted with the types that are known, for it may be a slip."""
    for name in ("tester", "builder"):
        here("enqueue", "x", "--agent-type", name)
    said = here("pause", "bilder")
    assert said.err == "note: no task has this agent_type so far; known: builder, tester\n"
    assert here("pause", "builder").err == ""


@pytest.mark.process
def test_who_holds_a_task(headrace: Headrace) -> None:
    """Is told by list, get and explain; get also says why earlier attempts failed."""
    words = ("--agent-type", "x", "--estimated-duration", "0.28625476360321045")
    task = headrace("enqueue", "x", *words).out.strip()
    command = "test $HEADRACE_ATTEMPT = 2 || { echo trace; echo why; exit 3; }; echo; sleep 60"
    options = ("--agent-type", "x", "--exec", command, "--name", "worker seven")
    process = headrace.start("work", *options)
    assert process.stdout is not None
    while "(attempt 2)" not in process.stdout.readline():
        assert process.poll() is None
    header, row = headrace("list").lines
    assert dict(zip(header.split("\t"), row.split("\t"), strict=True))["holder"] == "worker seven"
    assert "worker seven until 2" in headrace("explain", task).out
    got = headrace("get", task).lines
    assert "worker seven until 2" in "".join(got)
    assert any(line.endswith("worker seven  exit code 3: why") for line in got)
    assert any(line.split() == ["estimated_duration", "0.286"] for line in got)


def test_a_group_that_is_done(here: Command) -> None:
    """Has an empty plan, and its tasks are told to be over."""
    task = here("enqueue", "x", "--group", "montage", "--agent-type", "x").out.strip()
    here("work", "--agent-type", "x", "--exec", "true", "--until-idle")
    assert here("plan", "--group", "montage", "--json").json["batches"] == []
    for words in (("cancel", task), ("update", task, "--base-priority", "9")):
        error = here(*words, "--json", code=4).json["error"]
        assert error["hint"] == "It is done; enqueue a new one."


def test_pages(here: Command) -> None:
    """A page says on stderr how to get the next one; the pages together hold each task once."""
    made = [here("enqueue", f"Task {n}").out.strip() for n in range(3)]
    page = here("list", "--limit", "2")
    cursor = page.err.split("--cursor ")[1].strip()
    rest = here("list", "--limit", "2", "--cursor", cursor)
    assert [line.split("\t")[0] for line in page.lines[1:] + rest.lines[1:]] == made[::-1]
    assert rest.err == ""


def test_the_database_option(here: Command, tmp_path: Path) -> None:
    """--db wins over HEADRACE_DB, which wins over the user's data folder."""
    data = str(tmp_path / "data")
    here("enqueue", "one", HEADRACE_DB="env.db", XDG_DATA_HOME=data)
    here("enqueue", "two", "--db", "flag.db", HEADRACE_DB="env.db", XDG_DATA_HOME=data)
    assert {path.name for path in tmp_path.rglob("*.db")} == {"env.db", "flag.db"}
    here("enqueue", "three", HEADRACE_DB="", XDG_DATA_HOME=data)
    assert {path.name for path in tmp_path.rglob("*.db")} == {"env.db", "flag.db", "tasks.db"}


def test_hostile_text_cannot_steer_a_terminal(here: Command) -> None:
    """Escape sequences, rich markup and marks of direction are shown, not obeyed."""
    hostile = "\x1b[31mred\x1b[0m [bold]loud[/bold] \u202eesrever\u2066 \x07"
    task = here("enqueue", f"{hostile}\ttab\r\nsecond line \x1b]0;title\x07").out.strip()
    for said in (here("list"), here("get", task), here("explain", task)):
        assert not set(said.out) & set("\x1b\x07\u202e\u2066\r")
    assert r"\x1b[31mred\x1b[0m [bold]loud[/bold] \u202eesrever" in here("list").out
    assert here("get", task, "--json").json["description"].startswith(hostile)


@pytest.mark.process
def test_a_reader_that_leaves(headrace: Headrace) -> None:
    """`headrace list | head -1` prints no complaint."""
    for n in range(2):
        headrace("enqueue", f"Task {n}")
    process = headrace.start("list", "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() == 141
    assert process.stderr is not None
    assert process.stderr.read() == ""
