"""The ledger of what clients were told can be contradicted, by answers and by the file."""

from __future__ import annotations

from typing import Any

from torture.kills.calls import Calls, Traffic
from torture.kills.file import File, Row
from torture.kills.ledger import Asked, Ledger
from torture.processes.conversation import ToolError


class Scripted:
    """A server that answers each call with the next of its answers."""

    pid = 0

    def __init__(self, *answers: dict[str, Any] | ToolError) -> None:
        self._answers = list(answers)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        answer = self._answers.pop(0)
        if isinstance(answer, ToolError):
            raise answer
        return answer


def claimed(task: str, token: str, **results: str) -> dict[str, Any]:
    claim = {"task_id": task, "lease_token": token, "task": {"attempt": 1}}
    return {"claims": [claim | {"prerequisite_results": results}]}


Step = tuple[str, dict[str, Any], dict[str, Any] | ToolError]

CLAIM = {"agent": "a", "lease_seconds": 60.0}
DONE = {"task_id": "t1", "lease_token": "k1", "result": "x"}
ENQUEUE = {"description": "one", "key": "k"}


async def wrong_after(*steps: Step, rows: dict[str, Row] | None = None) -> list[str]:
    """The promises that these calls and their answers break, then those of the file."""
    ledger = Ledger()
    calls = Calls(ledger, Traffic())
    for tool, arguments, answer in steps:
        await calls.make(Scripted(answer), tool, arguments)
    if rows is not None:
        ledger.check(File(rows, []))
    return [promise for promise, _ in ledger.wrong]


async def test_what_is_as_it_was_told_is_right() -> None:
    """An enqueue, a claim, an end, and the file that they leave."""
    steps: tuple[Step, ...] = (
        ("task_enqueue", ENQUEUE, {"task_id": "t1"}),
        ("task_enqueue", ENQUEUE, {"task_id": "t1"}),
        ("task_claim", CLAIM, claimed("t1", "k1")),
        ("task_complete", DONE, {}),
        ("task_get", {"task_id": "t1"}, {"status": "completed", "result": "x", "error": None}),
    )
    assert await wrong_after(*steps, rows={"t1": Row("one", "k", "completed", "x", None)}) == []


async def test_lost_tasks_and_ends_are_found() -> None:
    """P1: in the file, in what is shown, and by a claim of what was done."""
    made = ("task_enqueue", ENQUEUE, {"task_id": "t1"})
    done: Step = ("task_complete", DONE, {})
    assert await wrong_after(made, rows={}) == ["P1"]
    left = {"t1": Row("one", "k", "running", None, None)}
    assert await wrong_after(made, done, rows=left) == ["P1"]
    shown = {"status": "ready", "result": None, "error": None}
    assert await wrong_after(done, ("task_get", {"task_id": "t1"}, shown)) == ["P1"]
    assert await wrong_after(done, ("task_claim", CLAIM, claimed("t1", "k2"))) == ["P1"]
    unasked = {"t1": Row("one", "k", "completed", "y", None)}
    assert await wrong_after(made, rows=unasked) == ["P1"]


async def test_tasks_that_are_made_twice_are_found() -> None:
    """P2: by key, in the file, and as a half of a batch."""
    made = ("task_enqueue", ENQUEUE, {"task_id": "t1"})
    assert await wrong_after(made, ("task_enqueue", ENQUEUE, {"task_id": "t2"})) == ["P2"]
    row = Row("one", "k", "ready", None, None)
    assert await wrong_after(made, rows={"t1": row, "t2": row}) == ["P2"]
    ledger = Ledger()
    ledger.ask({name: Asked(None, (), "b", 2) for name in ("one", "two")})
    ledger.check(File({"t1": Row("one", None, "ready", None, None)}, []))
    assert ledger.wrong == [("P2", "of the batch b 1 of 2 tasks are there")]


async def test_leases_that_overlap_are_found() -> None:
    """P3: a second claim, a refused holder, a token that was replaced and is accepted."""
    first = ("task_claim", CLAIM, claimed("t1", "k1"))
    second = ("task_claim", CLAIM, claimed("t1", "k2"))
    lost = ToolError({"code": "lease_lost", "message": "-"})
    assert await wrong_after(first, second) == ["P3"]
    assert await wrong_after(first, ("task_complete", DONE, lost)) == ["P3"]
    released: Step = ("task_release", {"task_id": "t1", "lease_token": "k1"}, {})
    assert await wrong_after(first, released, second, ("task_complete", DONE, {})) == ["P3"]
    assert await wrong_after(first, released, second, ("task_complete", DONE, lost)) == []


async def test_a_task_before_what_it_needs_is_found() -> None:
    """P5: its claim carries no result that anybody gave."""
    made = ("task_enqueue", ENQUEUE, {"task_id": "t1"})
    needs = {"description": "two", "prerequisites": ["t1"]}
    then = ("task_enqueue", needs, {"task_id": "t2"})
    early = ("task_claim", CLAIM, claimed("t2", "k2"))
    assert await wrong_after(made, then, early) == ["P5"]
    on_time = ("task_claim", CLAIM, claimed("t2", "k2", t1="x"))
    assert await wrong_after(made, then, ("task_complete", DONE, {}), on_time) == []
