"""What clients look at: tasks, lists, and the feed of changes, of which they keep a picture."""

from __future__ import annotations

from scheduler.domain.errors import InvalidRequest, SequenceTooOld
from scheduler.domain.task import Status
from torture.simulation.broken import Broken
from torture.simulation.facts import Op
from torture.simulation.making import LANES, Client


class Looking(Client):
    """See the module. `picture`: by number, the newest revision and status that the feed gave."""

    def __init__(self) -> None:
        super().__init__()
        self.picture: dict[int, tuple[int, Status]] = {}
        self.since: int | None = 0  # None: from now on
        self._rewound = 0

    async def get(self, op: Op) -> str:
        """One task, with its neighbors or without."""
        for known in self.some():
            op.targets = (known.number,)
            if self.rng.random() < 0.3:
                found = await self.handle.details(known.task)
                task = found.task
            else:
                task = await self.handle.get(known.task)
            self.ledger.saw(task, op)
            return f"{task.id} {task.status} {task.revision}"
        return "nothing"

    async def list(self, op: Op) -> str:
        """A page of them."""
        status = self.rng.choice((None, "pending", "running", ["failed", "cancelled"]))
        lane = self.rng.choice((None, None, *LANES))
        page = await self.handle.list(status=status, agent_type=lane, limit=8)
        for task in page.tasks:
            self.ledger.saw(task, op)
            self.world.heard_of(task.number)
        return f"{len(page.tasks)} {page.has_more}"

    async def follow(self, op: Op) -> str:
        """A step of the feed, from where this client stands."""
        wait = 0.0 if self.rng.random() < 0.8 else 1.0
        if self._rewound != self.ledger.rewound:
            self._start_anew()
        try:
            changes, reached = await self.handle.read_changes(self.since, limit=50, wait=wait)
        except SequenceTooOld:
            self._start_anew()
            raise
        except InvalidRequest:
            if self._rewound == self.ledger.rewound:
                raise
            return "rewound"  # while the call was under way
        if self._rewound != self.ledger.rewound:
            return "rewound"
        before = self.since or 0
        for change in changes:
            if change.sequence <= before:
                raise Broken("P1", f"the feed went back from {before} to {change.sequence}")
            before = change.sequence
            self.ledger.saw(change.task, op)
            self.world.heard_of(change.task.number)
            self._draw(change.task.number, change.task.revision, change.task.status)
        if reached < before:
            raise Broken("P1", f"the feed says {reached} after {before}")
        self.since = reached
        return f"{len(changes)} {reached}"

    def _start_anew(self) -> None:
        self.picture.clear()
        self.since = None if self.world.forgets else 0
        self._rewound = self.ledger.rewound

    def _draw(self, number: int, revision: int, status: Status) -> None:
        seen = self.picture.get(number)
        if seen is not None and revision < seen[0]:
            raise Broken("P1", f"the feed gave {number} at {revision} after {seen}")
        self.picture[number] = revision, status

    async def look_around(self, op: Op) -> str:
        """The other questions; their answers are not compared."""
        kind = self.rng.randrange(5)
        if kind == 0:
            status = await self.handle.queue_status()
            return f"{status.total_tasks}"
        if kind == 1:
            return (await self.handle.why_idle()).reason
        if kind == 2:
            pairs = await self.handle.revoked(self.name)
            return f"{len(pairs)} revoked"
        for known in self.some():
            op.targets = (known.number,)
            if kind == 3:
                return (await self.handle.explain(known.task)).reason
            found = await self.handle.wait([known.task], timeout=0.5)
            for task in found:
                self.ledger.saw(task, op)
            return str(found[0].status)
        return "nothing"
