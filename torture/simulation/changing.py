"""What clients change: tasks of others, lanes, limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from scheduler.domain.task import moment
from torture.simulation.facts import Op
from torture.simulation.making import LANES, Client


class Changing(Client):
    """See the module."""

    async def cancel(self, op: Op) -> str:
        """A task, with all that needs it; or only ask what would go."""
        for known in self.some():
            op.targets = (known.number,)
            if self.rng.random() < 0.2:
                would = await self.handle.cancel(known.task, dry_run=True)
                return f"would cancel {would.total_cancelled}"
            self.ledger.holds.meddle(op, known)
            done = await self.handle.cancel(known.task, "no more")
            numbers = self.world.numbers_of((done.cancelled_task_id, *done.cascaded_task_ids))
            self.ledger.moved(numbers, op)
            return f"{known.task.id} {done.total_cancelled}"
        return "nothing"

    async def retry(self, op: Op) -> str:
        """Re-open a task that failed or was cancelled, perhaps with what fell with it."""
        candidates = [known for known in self.some(8) if known.finished and not known.completed]
        for known in candidates[:1] or self.some():
            op.targets = (known.number,)
            known.retried = True
            op.reopens = self.rng.random() < 0.5
            self.ledger.reopening += op.reopens
            tasks = await self.handle.retry(known.task, cascade=op.reopens)
            for task in tasks:
                self.ledger.saw(task, op).retried = True
            return f"{known.task.id} {len(tasks)}"
        return "nothing"

    async def update(self, op: Op) -> str:
        """Another priority, lane, group or start."""
        rng = self.rng
        for known in self.some():
            op.targets = (known.number,)
            fields: dict[str, Any] = {"base_priority": rng.randrange(11)}
            if rng.random() < 0.2:
                fields["agent_type"] = rng.choice(LANES)
            if rng.random() < 0.2:
                now = moment(self.world.lives.wall_clock())
                fields["not_before"] = now + timedelta(seconds=rng.uniform(-5, 10))
            if rng.random() < 0.2:
                fields["group"] = rng.choice(("red", "blue", None))
            task = await self.handle.update(known.task, **fields)
            self.ledger.saw(task, op)
            return f"{known.task.id} {task.status}"
        return "nothing"

    async def add_prerequisites(self, op: Op) -> str:
        """Let a task wait for more, which may go round in a circle."""
        some = self.some(3)
        if len(some) < 2:
            return "nothing"
        one, *others = some
        op.targets = tuple(known.number for known in some)
        edges = [known.task.id for known in others]
        if self.rng.random() < 0.7:
            task = await self.handle.add_prerequisites(one.task, edges)
        else:
            task = await self.handle.add_prerequisites(one.task, run_after=edges)
        self.ledger.saw(task, op)
        return f"{one.task.id} {task.status}"

    async def pause_or_resume(self, op: Op) -> str:
        """Stop a lane, or let it on."""
        lane = self.rng.choice(LANES)
        paused = self.rng.random() < 0.3
        await self.set_lane(op, lane, paused=paused)
        return f"{lane} {paused}"

    async def set_lane(self, op: Op, lane: str, *, paused: bool) -> None:
        """Stop this lane, or let it on, and tell the ledger unless somebody else does so, too."""
        ledger = self.ledger
        op.lane = lane
        ledger.lane_doubts[lane] += 1
        await (self.handle.pause(lane) if paused else self.handle.resume(lane))
        if ledger.lane_doubts[lane] == 1:
            ledger.lanes[lane] = paused
            ledger.lane_doubts[lane] = 0

    async def limit(self, _op: Op) -> str:
        """Set a limit, or lift it."""
        rng = self.rng
        where: dict[str, Any] = rng.choice(({"agent_type": "build"}, {"limit_key": "api"}))
        how: dict[str, Any] = rng.choice(
            ({"concurrency": 2}, {"starts": 5, "per": 2.0}, {"concurrency": 1}, {}, {})
        )
        await self.handle.set_limit(**where, **how)
        return f"{where} {how}"

    async def release_holders(self, op: Op) -> str:
        """Give back what a client has, as if it were known to be dead."""
        prefix = f"c{self.rng.randrange(self.world.plan.clients)}"
        self.ledger.holds.sweep(op, prefix)
        tasks = await self.handle.release_holders(prefix + ".")
        for task in tasks:
            self.ledger.saw(task, op)
        return f"{prefix} {len(tasks)}"

    async def flush(self, _op: Op) -> str:
        """Wait until all is saved."""
        await self.handle.flush()
        return "done"
