"""The scheduler's lives in a world: it is opened, dies, is found again, and goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from random import Random
from typing import TypeVar
from unittest.mock import patch

import trio

from actors.system import System, alone
from scheduler.domain.errors import SchedulerError, StoreUnavailable
from scheduler.domain.priority import SOURCE_SCORES
from scheduler.embedded import Scheduler
from scheduler.embedding import open_scheduler
from scheduler.sharing.door import SharedDoor
from scheduler.testing import START
from torture.disk import Disk, Mounted, open_store
from torture.simulation import autopsy
from torture.simulation.broken import Broken
from torture.simulation.ledger import Ledger
from torture.simulation.plan import Plan
from torture.simulation.remote import RemoteWay
from torture.simulation.trace import Trace

T = TypeVar("T")

YEAR = 365 * 86_400.0
TRY_AGAIN = 0.5  # seconds until a start that failed is tried again
CLOSING = 30.0  # seconds that an orderly end may take
FULL_LEASE_AFTER = 2.5  # seconds after trouble, at the most, when the store is written again


class Lives:
    """See the module. `handle` is the scheduler while it lives; `doors` lead to it as from afar."""

    def __init__(
        self, plan: Plan, path: str, mounted: Mounted, ledger: Ledger, trace: Trace
    ) -> None:
        self.plan = plan
        self.path = path
        self.mounted = mounted
        self.disk: Disk = mounted.disk
        self.ledger = ledger
        self.trace = trace
        self.handle: Scheduler | None = None
        self.up = trio.Event()
        self.end = trio.Event()
        self.wall_offset = 0.0  # seconds by which the clock is wrong
        self.doors: list[SharedDoor] = []
        self.count = 0
        self.forgiven = 0
        self.leaving = False
        self.orderly = False
        self._rng = Random(f"lives {plan.seed}")
        self._troubles = 0
        self._deaths = self._power_losses = 0
        self._opening = trio.CancelScope()
        self.disk.on_death = self._die

    # ------------------------------------------------------------- what lives by

    def wall_clock(self) -> float:
        """Unix seconds, as a clock tells them that people set."""
        return START + trio.current_time() + self.wall_offset

    def set_clock(self, seconds: float) -> None:
        """Set the clock forward or, with less than 0, back."""
        self.wall_offset += seconds
        if seconds > 0:
            self.ledger.holds.set_forward(seconds)
            self.ledger.holds.renew_all()  # a jump gives everybody a full lease

    def timer(self) -> float:
        """Seconds that pass as the disk works, too."""
        return trio.current_time() + self.disk.busy

    async def place(self, work: Callable[[], T]) -> T:
        """Wait for the disk as a thread would, without one."""
        before = self.disk.busy
        await trio.sleep(self.disk.latency.get("sync", 0.0) * self._rng.random())
        result = work()
        await trio.sleep(self.disk.busy - before)
        return result

    # ------------------------------------------------------------- life after life

    async def run(self) -> None:
        """Until cancelled, or until `leaving` and the end of a life."""
        with ExitStack() as patched:
            for name, value in (
                ("CHECKPOINT_PAGES", self.plan.checkpoint_pages),
                ("INLINE_ROWS", self.plan.inline_rows),
                ("PRUNE_FIRST", min(60.0, self.plan.retention)),
                ("PRUNE_EVERY", min(3_600.0, self.plan.retention)),
            ):
                patched.enter_context(patch(f"actors.persister.{name}", value))
            while not self.leaving:
                await self._once()

    def _die(self) -> None:
        """The disk tells, perhaps in the middle of an operation, that the process is dead."""
        self.end.set()
        if self.handle is None:
            self._opening.cancel()

    async def _once(self) -> None:
        """One life, or a try of one, and what it leaves behind."""
        if self.disk.deaths > self._deaths:
            self._examine(unsaved=False)  # the power failed while nobody lived
        self.end = trio.Event()
        self.orderly = self._rng.random() < 0.2
        self.count += 1
        unsaved = False
        try:
            with trio.CancelScope() as self._opening:
                await self._open_and_live()
        except Exception as group:
            error = alone(group)  # a group where the opening was given up at the same time
            if not isinstance(error, SchedulerError):
                raise
            if not isinstance(error, StoreUnavailable):
                raise Broken("P6", f"the scheduler ended: {error!r}") from error
            unsaved = self.plan.durability == "accepted"
            self.trace.add(trio.current_time(), "world", "trouble", _short(error))
        self._examine(unsaved=unsaved)
        if not self.leaving:
            await trio.sleep(TRY_AGAIN * self._rng.random())

    async def _open_and_live(self) -> None:
        store = open_store(self.mounted, self.path, self.plan.durability)
        closing_time = CLOSING if self.orderly or self.leaving else 0.0
        try:
            async with open_scheduler(
                durability=self.plan.durability,
                store=store,
                wall_clock=self.wall_clock,
                random_bits=self._rng.getrandbits,
                timer=self.timer,
                place=self.place,
                closing_time=closing_time,
                retention=min(self.plan.retention, YEAR),
                max_unsaved=self.plan.max_unsaved,
                admission_timeout=20.0,
            ) as scheduler:
                await self._live(scheduler)
        finally:
            store.close()

    async def _live(self, scheduler: Scheduler) -> None:
        """Serve until something ends this life."""
        self.trace.add(trio.current_time(), "world", "open", f"life {self.count}")
        self.ledger.holds.renew_all()
        system = scheduler._door
        assert isinstance(system, System)
        async with trio.open_nursery() as links:
            way = RemoteWay(system, links)
            self.handle = scheduler
            for door in self.doors:
                door.lead_to(way, dict(SOURCE_SCORES))
            self.up.set()
            try:
                await self.end.wait()
            finally:
                self.handle, self.up = None, trio.Event()
                for door in self.doors:
                    door.lead_nowhere()
                links.cancel_scope.cancel()

    def look(self) -> None:
        """Note whether the disk has made trouble: leases start anew then."""
        troubles = self.disk.troubles.total()
        if troubles != self._troubles or self.disk.faulty or self.disk.latency:
            self._troubles = troubles
            self.ledger.holds.renew_all(trio.current_time() + FULL_LEASE_AFTER)

    def _examine(self, *, unsaved: bool) -> None:
        self.look()
        body = autopsy.opened(self.disk, self.path)
        if unsaved or self._lossy():
            self.forgiven += autopsy.forgive(self.ledger, body)
        if body is not None:
            autopsy.examine(self.ledger, body)
        elif self.ledger.known:
            raise Broken("P1", "the file is gone")

    def _lossy(self) -> bool:
        """Whether a death since the last look may have taken what was acknowledged."""
        died = self.disk.deaths > self._deaths
        lost_power = self.disk.power_losses > self._power_losses
        self._deaths, self._power_losses = self.disk.deaths, self.disk.power_losses
        durability = self.plan.durability
        return (durability == "accepted" and died) or (durability == "committed" and lost_power)


def _short(error: SchedulerError) -> str:
    return f"{error.code} {error.message.split('(')[0]}"
