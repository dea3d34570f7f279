"""A world: one disk, one scheduler in life after life, its clients, and what happens to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import inf
from random import Random
from typing import TYPE_CHECKING

import trio

from scheduler.domain import ids
from scheduler.handle import Handle
from scheduler.sharing.door import SharedDoor
from torture.disk import Mounted
from torture.simulation.ledger import Ledger
from torture.simulation.life import Lives
from torture.simulation.plan import Plan
from torture.simulation.trace import Trace

if TYPE_CHECKING:
    from torture.simulation.making import Draft

DRAFTS = 30  # requests that may be made once more


class World:
    """See the module. `numbers`: tasks of which somebody has heard, oldest first."""

    def __init__(self, plan: Plan, path: str, mounted: Mounted, *, keep: bool = False) -> None:
        self.plan = plan
        self.trace = Trace(keep=keep)
        self.ledger = Ledger(
            trio.current_time, plan.retention, lagging=plan.durability == "accepted"
        )
        self.lives = Lives(plan, path, mounted, self.ledger, self.trace)
        self.numbers: list[int] = []
        self._listed: set[int] = set()
        self.drafts: list[Draft] = []
        self.faults: Counter[str] = Counter()
        self.steps = 0
        self.enough = trio.Event()

    @property
    def forgets(self) -> bool:
        """Whether finished tasks are forgotten after a time."""
        return self.plan.retention < inf

    # ------------------------------------------------------------- for clients

    def stepped(self, who: str, what: str, came_of_it: str) -> None:
        """A client has done something, or something was done to the world."""
        self.lives.look()
        self.steps += 1
        self.trace.add(trio.current_time(), who, what, came_of_it)
        if self.steps >= self.plan.steps:
            self.enough.set()

    def heard_of(self, number: int) -> None:
        """Somebody has heard of a task."""
        if number not in self._listed:
            self._listed.add(number)
            self.numbers.append(number)

    def numbers_of(self, task_ids: Iterable[str]) -> list[int]:
        """The numbers of ids."""
        return [ids.decode(task_id) for task_id in task_ids]

    def remember(self, draft: Draft) -> None:
        """A request with keys may be made again."""
        if all(draft.keys):
            self.drafts = [*self.drafts, draft][-DRAFTS:]

    def far_handle(self, number: int) -> Handle:
        """A handle whose calls outlive the scheduler."""
        rng = Random(f"door {self.plan.seed} {number}")
        door = SharedDoor(rng.getrandbits, self.lives.wall_clock)
        self.lives.doors.append(door)
        return Handle(door)
