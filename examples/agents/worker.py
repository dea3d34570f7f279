"""A worker: claims tasks of one agent type, one at a time, and does them until it is sent home.

This is the loop of every agent: claim, heartbeat while at it, complete or fail, claim again. The
work itself is a sleep; some first attempts fail, the same ones for the same seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass

import trio
from session import Answer, Session, ToolFailed

STEPS = 4  # of a task, a heartbeat after each
TROUBLES = {  # why an attempt fails, by agent type
    "researcher": "the archive answered 503",
    "builder": "the compiler ran out of memory",
    "tester": "the test database did not start",
}
TAKEN_AWAY = ("lease_lost", "already_finished")  # somebody else has the task, or has even done it


class Trouble(Exception):
    """The attempt has failed; another one may succeed."""


def no_accident(ref: str) -> None:
    """Nothing happens in the middle of a task."""


@dataclass
class Worker:
    """Does tasks of `agent_type` under the name of its session.

    `unlucky`: refs whose first attempt fails. `midway` is called in the middle of each task.
    `lease` (seconds) is how long a claim lasts without a heartbeat.
    """

    session: Session
    agent_type: str
    seed: int
    unlucky: Collection[str] = ()
    midway: Callable[[str], None] = no_accident
    lease: float = 30.0

    async def run(self) -> None:
        """Work until cancelled. A claim waits for up to 50 s, then it is simply made again."""
        while True:
            answer = await self.session.call(
                "task_claim",
                agent=self.session.name,
                agent_types=[self.agent_type],
                lease_seconds=self.lease,
                wait_seconds=50,
            )
            for claim in answer["claims"]:
                await self._take(claim)

    async def _take(self, claim: Answer) -> None:
        held = {"task_id": claim["task_id"], "lease_token": claim["lease_token"]}
        ref = claim["task"]["payload"]["ref"]
        try:
            try:
                result = await self._perform(claim, held)
            except Trouble as trouble:
                answer = await self.session.call("task_fail", **held, error=str(trouble))
                self.session.tell(f"fails {ref}: {trouble}; {answer['attempts_left']} tries left")
            else:
                self.session.tell(f"hands in {ref}")
                await self.session.call("task_complete", **held, result=result)
        except ToolFailed as failed:
            if failed.body["code"] not in TAKEN_AWAY:
                raise
            # The lease ran out: whatever we did so far must not count.
            self.session.tell(f"has lost {ref}, and drops it")

    async def _perform(self, claim: Answer, held: dict[str, str]) -> Answer:
        """The work: a sleep with heartbeats. Returns the result; raises Trouble, ToolFailed."""
        task = claim["task"]
        ref, attempt = task["payload"]["ref"], task["attempt"]
        uses = sorted(result["ref"] for result in claim["prerequisite_results"].values())
        self.session.tell(_beginning(ref, attempt, uses))
        chance = random.Random(f"{self.seed} {ref} {attempt}")  # noqa: S311 - a play, no secret
        step_seconds = task["estimated_duration"] * chance.uniform(0.7, 1.3) / STEPS
        for step in range(1, STEPS + 1):
            await trio.sleep(step_seconds)
            # Often enough for a play; an agent with long tasks does this at a third of its lease.
            note = f"step {step} of {STEPS} is done"
            await self.session.call("task_heartbeat", **held, progress=step / STEPS, note=note)
            if step == STEPS // 2:
                self.midway(ref)
                if ref in self.unlucky and attempt == 1:
                    raise Trouble(TROUBLES[self.agent_type])
        return {"ref": ref, "by": self.session.name, "uses": uses}


def _beginning(ref: str, attempt: int, uses: list[str]) -> str:
    again = f", attempt {attempt}" if attempt > 1 else ""
    known = ", ".join(uses[:3]) + (f" and {len(uses) - 3} more" if len(uses) > 3 else "")
    return f"takes {ref}{again}" + (f", with the results of {known}" if known else "")
