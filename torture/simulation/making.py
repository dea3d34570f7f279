"""What clients ask for: single tasks and graphs, and the same once more."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from scheduler.domain.spec import TaskSpec
from scheduler.domain.task import Task, moment
from scheduler.handle import Handle
from torture.simulation.broken import Broken
from torture.simulation.facts import Known, Op
from torture.simulation.ledger import Ledger
from torture.simulation.world import World

LANES = ("build", "test", "review", "ship")
EDGES = ("prerequisites", "run_after")
GROUPS = ("red", "green", None, None)
RECENT = 40  # tasks among which clients choose


@dataclass
class Draft:
    """A request that was made and may be made again: the fields of its tasks, in order."""

    fields: list[dict[str, Any]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [fields["description"] for fields in self.fields]

    @property
    def keys(self) -> list[str | None]:
        return [fields.get("key") for fields in self.fields]

    def specs(self) -> list[TaskSpec]:
        """Specs of these fields; a place in the draft stands for the spec there."""
        specs: list[TaskSpec] = []
        for fields in self.fields:
            given = dict(fields)
            for name in EDGES:
                if name in given:
                    edges = [specs[one] if isinstance(one, int) else one for one in given[name]]
                    given[name] = edges
            specs.append(TaskSpec(**given))
        return specs


class Client:
    """What all parts of a client have."""

    world: World
    ledger: Ledger
    rng: Random
    handle: Handle
    number: int
    life: int

    def __init__(self) -> None:
        self.made = 0

    @property
    def name(self) -> str:
        """Under which it holds leases."""
        return f"c{self.number}.{self.life}"

    def some(self, how_many: int = 1) -> list[Known]:
        """Tasks of which somebody has heard, rather new ones than old."""
        numbers = self.world.numbers
        chosen = [
            numbers[max(0, len(numbers) - 1 - int(self.rng.expovariate(1 / RECENT)))]
            for _ in range(how_many if numbers else 0)
        ]
        known = self.ledger.known
        return [known[number] for number in dict.fromkeys(chosen) if number in known]


class Making(Client):
    """See the module."""

    def draft(self, tasks: int) -> Draft:
        """So many tasks; of several, later ones may wait for earlier ones."""
        draft = Draft()
        key = f"k{self.number}.{self.made}" if self.rng.random() < 0.4 else None
        for place in range(tasks):
            fields = self._fields()
            self.made += 1
            fields["description"] = f"t{self.number}.{self.made}"
            if key is not None:
                fields["key"] = f"{key}.{place}"
            if place and self.rng.random() < 0.7:
                side = EDGES[self.rng.random() < 0.3]
                fields.setdefault(side, []).append(self.rng.randrange(place))
            draft.fields.append(fields)
        return draft

    def _fields(self) -> dict[str, Any]:
        rng = self.rng
        now = self.world.lives.wall_clock()
        fields: dict[str, Any] = {
            "agent_type": rng.choice(LANES),
            "base_priority": rng.randrange(11),
            "max_attempts": rng.randrange(1, 4),
            "group": rng.choice(GROUPS),
        }
        if rng.random() < 0.4:
            side = EDGES[rng.random() < 0.3]
            fields[side] = [known.task.id for known in self.some(rng.randrange(1, 4))]
        if rng.random() < 0.15:
            fields["not_before"] = moment(now) + timedelta(seconds=rng.uniform(-5, 20))
        if rng.random() < 0.2:
            fields["deadline"] = moment(now) + timedelta(seconds=rng.uniform(-10, 300))
        if rng.random() < 0.2:
            fields["limit_key"] = rng.choice(("api", "disk"))
        if rng.random() < 0.3:
            fields["payload"] = {"n": self.made, "text": "x" * rng.randrange(2_000)}
        return fields

    async def ask(self, draft: Draft, op: Op) -> str:
        """Send a request, and tell the ledger."""
        specs = draft.specs()
        self.ledger.wish(op, draft.names, draft.keys)
        tasks = await self.handle.enqueue_many(specs)
        for name, task in zip(draft.names, tasks, strict=True):
            self._came(name, task, op)
        return f"{len(tasks)} {tasks[0].id}"

    def _came(self, name: str, task: Task, op: Op) -> None:
        assert task.description == name, f"{name} was asked for, {task!r} came"
        self.ledger.made(task, op)
        self.world.heard_of(task.number)

    async def enqueue(self, op: Op) -> str:
        """One task."""
        draft = self.draft(1)
        self.world.remember(draft)
        return await self.ask(draft, op)

    async def enqueue_many(self, op: Op) -> str:
        """A graph; now and then one with a circle, which must be refused."""
        draft = self.draft(self.rng.randrange(2, 7))
        if self.rng.random() < 0.1:
            return await self._ask_for_a_circle(op)
        self.world.remember(draft)
        return await self.ask(draft, op)

    async def _ask_for_a_circle(self, op: Op) -> str:
        names = [f"circle{self.number}.{self.made}.{place}" for place in range(2)]
        self.made += 1
        later: list[TaskSpec] = []
        one = TaskSpec(names[0], prerequisites=later)
        two = TaskSpec(names[1], prerequisites=[one])
        later.append(two)
        self.ledger.wish(op, names, [None, None])
        await self.handle.enqueue_many([one, two])
        raise Broken("P5", f"a circle was admitted: {names}")

    async def repeat(self, op: Op) -> str:
        """Ask with the same keys for the same once more: whatever became of it, it is made once."""
        drafts = self.world.drafts
        if not drafts:
            return "nothing"
        return await self.ask(self.rng.choice(drafts), op)
