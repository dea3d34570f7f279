"""An agent that keeps the queue busy and at about the same length."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import trio

from torture.processes.conversation import Caller, ToolError

BACKLOG = 200  # unfinished tasks
TURN = 0.2  # seconds from one to the next: what is on record depends on the pace
PASSING = {"lease_lost", "already_finished", "prerequisite_failed", "unknown_task"}
PAYLOAD = 2_000  # bytes, the largest


class Laborer:
    """Enqueues, claims, completes and looks, over one session after the other."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self._name = name
        self._chance = chance
        self._last: list[str] = []  # ids, of the newest tasks

    async def work(self, caller: Caller, done: Counter[str]) -> None:
        """For ever. Raises SessionEndedError."""
        while True:
            next_turn = trio.current_time() + TURN
            try:
                await self._turn(caller, done)
            except ToolError as error:
                if error.code not in PASSING:
                    raise
                done[f"answers: {error.code}"] += 1
            await trio.sleep_until(next_turn)

    async def _turn(self, caller: Caller, done: Counter[str]) -> None:
        status = await caller.call("task_queue_status")
        if sum(status[name] for name in ("blocked", "scheduled", "ready", "running")) < BACKLOG:
            await self._enqueue(caller)
        claims = (await caller.call("task_claim", agent=self._name, limit=4, lease_seconds=30))[
            "claims"
        ]
        for claim in claims:
            await self._end(caller, claim, done)
        if self._chance.random() < 0.05:
            await caller.call("task_list", limit=20)
        if self._chance.random() < 0.05:
            await caller.call("task_wait", since=status["sequence"], wait_seconds=0.01)

    async def _enqueue(self, caller: Caller) -> None:
        tasks: list[dict[str, Any]] = []
        for place in range(self._chance.randrange(1, 9)):
            task: dict[str, Any] = {"ref": f"r{place}", "description": f"Work of {self._name}"}
            task["payload"] = "x" * self._chance.randrange(PAYLOAD)
            if place and self._chance.random() < 0.5:
                task["prerequisites"] = [f"r{self._chance.randrange(place)}"]
            elif self._last and self._chance.random() < 0.2:
                task["run_after"] = [self._chance.choice(self._last)]
            tasks.append(task)
        self._last = []
        made = await caller.call("task_enqueue_many", tasks=tasks)
        self._last = list(made["task_ids"].values())

    async def _end(self, caller: Caller, claim: dict[str, Any], done: Counter[str]) -> None:
        held = {"task_id": claim["task_id"], "lease_token": claim["lease_token"]}
        chance = self._chance.random()
        if chance < 0.1:
            await caller.call("task_heartbeat", **held, progress=0.5)
        if chance < 0.03:
            await caller.call("task_fail", **held, error="no", retryable=False)
        elif chance < 0.05:
            await caller.call("task_cancel", task_id=held["task_id"])
        else:
            await caller.call("task_complete", **held, result={"by": self._name})
        done["tasks ended"] += 1
