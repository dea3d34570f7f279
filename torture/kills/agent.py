"""One agent: what it asks for, at random, and how it goes on when its server is killed."""

from __future__ import annotations

import random
import time
from typing import Any

import trio

from torture.kills.calls import Calls, Held, Traffic
from torture.kills.ledger import Ledger
from torture.processes.conversation import Caller, SessionEndedError

LEASE = 1.0, 2.0  # seconds
BACKLOG = 150  # tasks that wait, beyond which nothing new is asked for
MANY_ATTEMPTS = 1_000  # leases that end with their session must not use them up
LARGE = 40_000  # bytes of a payload
REPEATED = 0.8  # of the calls with an unknown outcome
LAST_RETRY = 3  # attempts, after which a failure is for good: the pauses between them double


class Agent:
    """See the module. It outlives its sessions."""

    def __init__(self, name: str, ledger: Ledger, traffic: Traffic, chance: random.Random) -> None:
        self._name = name
        self._ledger = ledger
        self._traffic = traffic
        self._chance = chance
        self._calls = Calls(ledger, traffic)
        self._dropped: list[Held] = []
        self._stale_at = 0.0
        self._held: list[Held] = []
        self._serial = 0
        self._again: list[tuple[str, dict[str, Any]]] = []

    async def work(self, caller: Caller) -> None:
        """Until the campaign is over. Raises SessionEndedError."""
        again, self._again = self._again, []
        for tool, arguments in again:
            self._traffic.repeated += 1
            await self._do(caller, tool, arguments)
        while not self._traffic.over:
            await self._step(caller)
            if self._traffic.draining and not self._held:
                await trio.sleep(0.05)

    def lost_session(self) -> None:
        """What was claimed over it may be taken back; some of it is tried all the same."""
        self._ledger.forget_holds(held.task for held in self._held)
        self._held = [held for held in self._held if self._chance.random() < 0.5]

    async def _do(self, caller: Caller, tool: str, arguments: dict[str, Any]) -> None:
        try:
            self._held += await self._calls.make(caller, tool, arguments)
        except SessionEndedError:
            self._traffic.unknown += 1
            if _can_repeat(tool, arguments) and self._chance.random() < REPEATED:
                self._again.append((tool, arguments))
            raise

    # ------------------------------------------------------------- choosing

    async def _step(self, caller: Caller) -> None:
        chance = self._chance.random()
        if self._dropped and chance < 0.08 and time.monotonic() > self._stale_at:
            stale = self._dropped[self._chance.randrange(len(self._dropped))]
            await self._do(caller, "task_complete", stale.claim | {"result": self._result(stale)})
        elif self._held and chance < 0.7:
            await self._end_one(caller)
        elif chance < 0.75 and not self._traffic.draining:
            await self._look(caller)
        elif self._traffic.draining or chance > 0.9 or self._backlog() > BACKLOG:
            await self._claim(caller)
        elif chance < 0.78:
            await self._cancel(caller)
        else:
            await self._enqueue(caller)

    def _backlog(self) -> int:
        return len(self._ledger.names) - len(self._ledger.told)

    async def _end_one(self, caller: Caller) -> None:
        held = self._held[self._chance.randrange(len(self._held))]
        chance = self._chance.random()
        if chance < 0.2 and not self._traffic.draining:
            await self._do(caller, "task_heartbeat", held.claim)
            return
        self._held.remove(held)
        if chance < 0.25 and not self._traffic.draining:
            self._dropped = [*self._dropped[-5:], held]  # without a word
            self._stale_at = time.monotonic() + LEASE[1]  # somebody else has it then, or will soon
            return
        if chance < 0.32:
            await self._do(caller, "task_release", held.claim)
        elif chance < 0.42:
            error = {"error": f"{self._name} could not", "retryable": held.attempt < LAST_RETRY}
            await self._do(caller, "task_fail", held.claim | error)
        else:
            await self._do(caller, "task_complete", held.claim | {"result": self._result(held)})

    def _result(self, held: Held) -> str:
        """Nobody else's, and the same when it is told again."""
        return f"{self._name} {held.token[-8:]}"

    async def _claim(self, caller: Caller) -> None:
        lease = round(self._chance.uniform(*LEASE), 2)
        limit = self._chance.choice((1, 1, 2, 4))
        wait = self._chance.choice((0, 0, 0.05, 0.3))
        wish = {"agent": self._name, "limit": limit, "lease_seconds": lease, "wait_seconds": wait}
        await self._do(caller, "task_claim", wish)

    async def _cancel(self, caller: Caller) -> None:
        open_tasks = [
            task for task in list(self._ledger.names)[-40:] if task not in self._ledger.told
        ]
        if open_tasks:
            reason = f"{self._name} does not want it"
            task = self._chance.choice(open_tasks)
            await self._do(caller, "task_cancel", {"task_id": task, "reason": reason})

    async def _look(self, caller: Caller) -> None:
        if self._ledger.names and self._chance.random() < 0.7:
            task = self._chance.choice(list(self._ledger.names)[-200:])
            await self._do(caller, "task_get", {"task_id": task})
        else:
            tool = self._chance.choice(("task_list", "task_queue_status"))
            await self._do(caller, tool, {})

    async def _enqueue(self, caller: Caller) -> None:
        if self._chance.random() < 0.85:
            await self._do(caller, "task_enqueue", self._new_task(self._chance.random() < 0.5))
            return
        tasks: list[dict[str, Any]] = []
        for place in range(self._chance.randrange(2, 8)):
            task = self._new_task(with_key=True) | {"ref": f"r{place}"}
            if place and self._chance.random() < 0.6:
                task["prerequisites"] = [f"r{self._chance.randrange(place)}"]
            tasks.append(task)
        await self._do(caller, "task_enqueue_many", {"tasks": tasks})

    def _new_task(self, with_key: bool) -> dict[str, Any]:
        self._serial += 1
        name = f"{self._name}-{self._serial}"
        task: dict[str, Any] = {"description": name, "max_attempts": MANY_ATTEMPTS}
        if with_key:
            task["key"] = f"key-{name}"
        recent = list(self._ledger.names)[-20:]
        if recent and self._chance.random() < 0.4:
            needs = self._chance.sample(recent, min(len(recent), self._chance.randrange(1, 4)))
            task["prerequisites" if self._chance.random() < 0.7 else "run_after"] = sorted(needs)
        if self._chance.random() < 0.3:
            task["base_priority"] = self._chance.randrange(11)
        if self._chance.random() < 0.1:
            task["payload"] = "x" * self._chance.randrange(LARGE)
        return task


def _can_repeat(tool: str, arguments: dict[str, Any]) -> bool:
    """Whether the same call again changes nothing more; an enqueue needs a key for that."""
    tasks = arguments.get("tasks", [arguments]) if tool.startswith("task_enqueue") else []
    return tool not in ("task_claim", "task_list") and all("key" in task for task in tasks)
