"""The loop of an agent: enqueue, claim, keep, finish; and what it hears when there is nothing."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import trio

from scheduler import connect, open_scheduler
from scheduler.endpoint import tools
from tests.endpoint.tool_calls import Caller, calling, virtual

ASK_FOR_OWNER = """
import json, sys, trio
from scheduler import connect
async def main():
    async with connect(sys.argv[1]) as scheduler:
        print(json.dumps({"owner_pid": (await scheduler.queue_status()).owner_pid}))
trio.run(main)
"""


async def test_the_whole_loop(tmp_path: Path) -> None:
    """On a file: the result of a prerequisite comes with the claim of its dependent."""
    async with open_scheduler(tmp_path / "tasks.db") as scheduler:
        agent = Caller(scheduler, "core")
        made = await agent(
            "task_enqueue",
            description="Build the wheel\nwith care",
            source="agent_planner",
            agent_type="builder",
            base_priority=7,
            payload={"target": "any"},
        )
        assert made["status"] == "ready" and made["existing"] is False
        build = made["task_id"]
        test = await agent.enqueue("Test it", agent_type="tester", prerequisites=[build])
        assert (await agent("task_execution_plan", workers=2))["batches"] == [[build], [test]]

        (claim,) = (await agent("task_claim", agent="anna", agent_types=["builder"]))["claims"]
        assert claim["task"]["description"] == "Build the wheel\nwith care"
        assert claim["task"]["payload"] == {"target": "any"}
        assert claim["task"]["attempt"] == 1 and claim["task"]["max_attempts"] == 3
        token = claim["lease_token"]
        kept = await agent(
            "task_heartbeat", task_id=build, lease_token=token, progress=0.5, note="half way"
        )
        assert kept["lease_expires_at"] >= claim["lease_expires_at"]
        (lease,) = (await agent("task_queue_status"))["leases"]
        assert lease["task_id"] == build and lease["holder"] == "anna"

        done = {"task_id": build, "lease_token": token, "result": {"wheel": "x.whl"}}
        assert (await agent("task_complete", **done))["unblocked"] == [test]
        assert (await agent("task_complete", **done))["status"] == "completed"  # again
        (claim,) = (await agent("task_claim", agent="ben"))["claims"]
        assert claim["prerequisite_results"] == {build: {"wheel": "x.whl"}}
        failed = await agent(
            "task_fail",
            task_id=test,
            lease_token=claim["lease_token"],
            error="no pytest",
            retryable=False,
        )
        assert failed["status"] == "failed" and failed["attempts_left"] == 0
        found = await agent("task_get", task_id=test)
        assert found["error"] == "no pytest"
        assert [other["task_id"] for other in found["prerequisites"]] == [build]
        assert found["attempts"][0]["holder"] == "ben"


@virtual
async def test_a_failed_attempt_comes_again() -> None:
    """The answer says when, and how many attempts are left."""
    async with calling() as agent:
        await agent.enqueue()
        failed = await agent("task_fail", **await agent.claim(), error="flaky")
        assert failed["status"] == "scheduled" and failed["attempts_left"] == 2
        empty = await agent("task_claim", agent="anna")
        assert empty["reason"] == "all_scheduled" and empty["until"] == failed["next_attempt_at"]
        again = await agent("task_claim", agent="anna", wait_seconds=10)
        assert again["claims"][0]["task"]["error"] == "flaky"


@virtual
async def test_an_empty_claim_says_why() -> None:
    """Nothing there, all leased until a time, all blocked behind that, or paused."""
    async with calling() as agent:
        nothing = await agent("task_claim", agent="anna")
        assert nothing["claims"] == [] and nothing["reason"] == "nothing_pending"
        first = await agent.enqueue()
        await agent.enqueue(prerequisites=[first], agent_type="tester")
        (claim,) = (await agent("task_claim", agent="anna"))["claims"]
        leased = await agent("task_claim", agent="ben", agent_types="general")
        assert leased["reason"] == "all_leased" and leased["until"] == claim["lease_expires_at"]
        blocked = await agent("task_claim", agent="ben", agent_types="tester")
        assert blocked["reason"] == "all_blocked" and "until" in blocked
        await agent("queue_pause", agent_type="docs")
        await agent.enqueue(agent_type="docs")
        paused = await agent("task_claim", agent="ben", agent_types="docs")
        assert paused["reason"] == "paused"
        for empty in (nothing, leased, blocked, paused):
            assert empty["next"]


async def test_a_mistyped_agent_type_shows() -> None:
    """The claim that finds nothing names the types that have work; nobody's names in prose."""
    async with calling() as agent:
        empty = await agent("task_claim", agent="anna", agent_types="bilder")
        assert empty["open_agent_types"] == [] and "open_agent_types" not in empty["next"]
        for agent_type in ("tester", "builder", "builder"):
            await agent.enqueue(agent_type=agent_type)
        empty = await agent("task_claim", agent="anna", agent_types="bilder")
        assert empty["reason"] == "nothing_pending"
        assert empty["open_agent_types"] == ["builder", "tester"]
        assert "open_agent_types" in empty["next"] and "builder" not in empty["next"]
        await agent.claim(agent_types="tester")
        leased = await agent("task_claim", agent="anna", agent_types="tester")
        assert leased["reason"] == "all_leased" and "open_agent_types" not in leased


async def test_results_of_run_after_tasks_come_too() -> None:
    """Beside those of the prerequisites, under the name that says only these."""
    async with calling() as agent:
        first, second = await agent.enqueue(base_priority=9), await agent.enqueue()
        await agent.enqueue(prerequisites=[first], run_after=[second], agent_type="last")
        for result in (1, 2):
            await agent("task_complete", **await agent.claim(), result=result)
        (claim,) = (await agent("task_claim", agent="anna", agent_types="last"))["claims"]
        assert claim["prerequisite_results"] == {first: 1, second: 2}


@virtual
async def test_a_claim_waits_for_work() -> None:
    """It is answered the moment there is some, and otherwise within 50 s."""
    async with calling() as agent, trio.open_nursery() as nursery:
        before = trio.current_time()
        assert (await agent("task_claim", agent="anna", wait_seconds=50))["claims"] == []
        assert 49 < trio.current_time() - before <= 50

        async def later() -> None:
            await trio.sleep(20)
            await agent.enqueue()

        before = trio.current_time()
        nursery.start_soon(later)
        assert (await agent("task_claim", agent="anna", wait_seconds=50))["claims"]
        assert 20 <= trio.current_time() - before < 21


@virtual
async def test_a_cancelled_claim_takes_nothing() -> None:
    """A client that goes away while it waits leaves the work to others."""
    async with calling() as agent:
        with trio.move_on_after(1) as scope:
            await tools.call(
                agent.scheduler, "core", "task_claim", {"agent": "anna", "wait_seconds": 50}
            )
        assert scope.cancelled_caught
        await agent.enqueue()
        assert (await agent.claim())["task_id"]


async def test_concurrent_claims_get_different_tasks() -> None:
    """Also when many ask at once."""
    async with calling() as agent:
        for _ in range(20):
            await agent.enqueue()
        got: list[str] = []

        async def take() -> None:
            got.append((await agent.claim())["task_id"])

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(take)
        assert len(set(got)) == 20


async def test_a_claim_of_large_tasks_gives_back_what_does_not_fit() -> None:
    """One always comes; the others keep their place and lose no attempt."""
    async with calling() as agent:
        for _ in range(3):
            await agent.enqueue(payload={"blob": "x" * 40_000})
        (first,) = (await agent("task_claim", agent="anna", limit=10))["claims"]
        (second,) = (await agent("task_claim", agent="anna", limit=10))["claims"]
        assert first["task_id"] != second["task_id"] and second["task"]["attempt"] == 1
        assert (await agent("task_queue_status"))["ready"] == 1


async def test_release_gives_a_task_back() -> None:
    """It is ready again and has lost no attempt."""
    async with calling() as agent:
        await agent.enqueue()
        released = await agent("task_release", **await agent.claim())
        assert released["status"] == "ready"
        assert (await agent("task_get", task_id=released["task_id"]))["attempt"] == 0


async def test_a_key_makes_a_call_repeatable() -> None:
    """The same request again gives the task that is there; another one is refused.

    Defaults that are written out, and another order, are the same request; a deadline that is
    left out or computed anew is not, nor is what `task_update` made of the task.
    """
    async with calling() as agent:
        needs = [await agent.enqueue(), await agent.enqueue()]
        asked = {"description": "once", "key": "k", "deadline": "2030-01-01T00:00:00Z"}
        same = {"base_priority": 5, "deadline": "2030-01-01T01:00:00+01:00"}
        first = await agent("task_enqueue", **asked, prerequisites=needs)
        await agent("task_update", task_id=first["task_id"], base_priority=9)
        again = await agent("task_enqueue", **asked | same, prerequisites=needs[::-1])
        assert (again["task_id"], again["existing"]) == (first["task_id"], True)
        for other in (
            {"deadline": "2030-01-01T00:00:01Z"},
            {"deadline": None},
            {"base_priority": 9},
            {"prerequisites": needs[0]},
        ):
            changed = asked | {"prerequisites": needs} | other
            assert (await agent.refused("task_enqueue", **changed))["code"] == "key_conflict"


async def test_cancel_tells_first_and_does_then() -> None:
    """A dry run changes nothing; the real one takes the dependents along, each once."""
    async with calling() as agent:
        root = await agent.enqueue()
        left = await agent.enqueue(prerequisites=[root])
        right = await agent.enqueue(prerequisites=[root])
        last = await agent.enqueue(prerequisites=[left, right])
        would = await agent("task_cancel", task_id=root, dry_run=True)
        assert (await agent("task_queue_status"))["cancelled"] == 0
        done = await agent("task_cancel", task_id=root, reason="not wanted")
        assert would == done | {"dry_run": True}
        assert sorted(done["cascaded_task_ids"]) == sorted([left, right, last])
        assert done["total_cancelled"] == 4
        back = await agent("task_retry", task_id=root, cascade=True)
        assert back["total_reopened"] == 4 and back["status"] == "ready"


async def test_update_sets_and_clears() -> None:
    """null, or a name in `clear`, makes a field empty; what is left out stays."""
    async with calling() as agent:
        task = await agent.enqueue(deadline="2027-01-31T12:00:00+02:00", group="g", timeout=9)
        await agent("task_update", task_id=task, base_priority=9, deadline=None)
        found = await agent("task_get", task_id=task)
        assert (found["deadline"], found["group"], found["base_priority"]) == (None, "g", 9)
        changed = await agent("task_update", task_id=task, clear=["group", "timeout"])
        assert changed["updated"] == ["group", "timeout"]
        found = await agent("task_get", task_id=task)
        assert found["group"] is None and found["timeout"] is None


async def test_add_prerequisites_blocks_a_ready_task() -> None:
    """The answer names all its prerequisites."""
    async with calling() as agent:
        first, second = await agent.enqueue(), await agent.enqueue()
        added = await agent("task_add_prerequisites", task_id=second, prerequisites=first)
        assert added["status"] == "blocked" and added["prerequisites"] == [first]


async def test_a_plan_says_whether_anything_is_left() -> None:
    """Of a group that is done, and not of one that never was."""
    async with calling() as agent:
        assert (await agent("task_execution_plan"))["finished"] is True
        await agent.enqueue(group="g")
        assert (await agent("task_execution_plan", group="g"))["finished"] is False
        await agent("task_complete", **await agent.claim())
        done = await agent("task_execution_plan", group="g", workers=2)
        assert (done["finished"], done["batches"], done["makespan_seconds"]) == (True, [], 0)
        body = await agent.refused("task_execution_plan", group="G")
        assert (body["code"], body["field"]) == ("invalid_request", "group")
        assert body["received"] == "G" and "task_list and fields=group" in body["hint"]


@pytest.mark.process
async def test_the_status_names_the_owner(tmp_path: Path) -> None:
    """The process that has the file, to whichever process asks; nobody owns memory."""
    path = tmp_path / "tasks.db"
    async with connect(path) as scheduler:
        agent = Caller(scheduler)
        assert (await agent("task_queue_status"))["owner_pid"] == os.getpid()
        with trio.fail_after(30):
            asked = await trio.run_process(
                [sys.executable, "-c", ASK_FOR_OWNER, str(path)], capture_stdout=True
            )
        assert json.loads(asked.stdout) == {"owner_pid": os.getpid()}
    async with calling() as agent:
        assert "owner_pid" not in await agent("task_queue_status")


async def test_explain_names_what_to_act_on() -> None:
    """Not the blocked tasks in between, but those at the beginning, and the call to make."""
    async with calling() as agent:
        ready = await agent.enqueue(agent_type="builder")
        running = await agent.enqueue(base_priority=10)
        middle = await agent.enqueue(prerequisites=[ready, running])
        last = await agent.enqueue(prerequisites=[middle])
        assert (await agent.claim())["task_id"] == running
        found = await agent("task_explain", task_id=last)
        assert [other["task_id"] for other in found["blocked_by"]] == [middle]
        deeds = {step["task_id"]: step["do"] for step in found["unblock"]}
        assert set(deeds) == {ready, running} and found["unblock_more"] is False
        assert "task_claim" in deeds[ready] and "task_wait" in deeds[running]
        await agent("queue_pause", agent_type="builder")
        (step,) = (await agent("task_explain", task_id=ready))["unblock"]
        assert "queue_resume" in step["do"]
