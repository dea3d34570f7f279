"""An agent that only looks: what is saved must be there to see, whatever the disk does."""

from __future__ import annotations

import random
import time

import trio

from torture.kills.calls import Traffic
from torture.kills.ledger import Ledger
from torture.processes.conversation import Caller, ToolError

EVERY = 0.02  # seconds
PATIENCE = 5.0  # seconds for one answer


class Reader:
    """Looks at tasks, lists and counts over a session that is nobody else's."""

    def __init__(self, ledger: Ledger, traffic: Traffic, chance: random.Random) -> None:
        self.reads = 0
        self.slowest = 0.0  # seconds
        self.excused = False  # the owner was killed: nobody may be able to open the file
        self._ledger = ledger
        self._traffic = traffic
        self._chance = chance

    async def work(self, caller: Caller) -> None:
        """Until the traffic is over. Raises SessionEndedError."""
        while not self._traffic.over:
            await self._look(caller)
            await trio.sleep(EVERY)

    def lost_session(self) -> None:
        """Nothing depended on it."""

    async def _look(self, caller: Caller) -> None:
        began, excused = time.monotonic(), self.excused
        told = list(self._ledger.told)[-50:]
        try:
            if told and self._chance.random() < 0.6:
                task = self._chance.choice(told)
                self._ledger.look(task, await caller.call("task_get", task_id=task), began)
            else:
                await caller.call(self._chance.choice(("task_list", "task_queue_status")))
        except ToolError as error:
            if not (excused or self.excused) or not error.code.startswith("store_"):
                self._ledger.wrong.append(("P6", f"a read was answered with {error}"))
            return
        took = time.monotonic() - began
        self.reads += 1
        if excused or self.excused:
            return
        self.slowest = max(self.slowest, took)
        if took > PATIENCE:
            self._ledger.wrong.append(("P6", f"a read took {took:.1f} s"))
