"""Finds the way to the actors of a database, over and over."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TypedDict

import trio

from actors.system import System, alone
from actors.writer import Place
from persistence.ownership import last_owner, owner_of
from persistence.sqlite import SQLiteStore, open_sqlite
from persistence.store import Durability
from scheduler.domain.errors import SchedulerError, StoreLocked, StoreUnavailable
from scheduler.domain.priority import Weights
from scheduler.embedding import open_scheduler
from scheduler.sharing import address as addresses
from scheduler.sharing.door import OwnWay, SharedDoor, Way
from scheduler.sharing.link import Link
from scheduler.sharing.serving import serve

log = logging.getLogger("headrace")

TRY_EVERY = 0.02  # seconds
UNSERVED = 1.0  # seconds to wait for an owner that does not say where it serves
RECOVERY = 60.0  # seconds to wait for one that says so and does not listen yet
PATIENCE = 10.0  # seconds to wait for an answer, and for trouble at a take-over to pass
AFTER_TROUBLE = 1.0  # seconds


class OwnerOptions(TypedDict, total=False):
    """What `open_scheduler` takes besides the file and the durability."""

    weights: Weights | None
    sources: Mapping[str, float]
    max_unsaved: int
    max_unfinished: int
    retention: float
    admission_timeout: float | None
    closing_time: float
    wall_clock: Callable[[], float]
    random_bits: Callable[[int], int]
    timer: Callable[[], float] | None
    place: Place


class Seeker:
    """Finds the way to the actors, over and over: owns the file, or reaches whoever does.

    `strict`: trouble before the first way is found ends it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        door: SharedDoor,
        durability: Durability,
        options: OwnerOptions,
        *,
        strict: bool,
    ) -> None:
        self.found = trio.Event()
        self.leaving = False
        self._path = os.path.realpath(path)
        self._door = door
        self._durability = durability
        self._options = options
        self._strict = strict
        self._lost_at = trio.current_time()
        self._unserved_since: float | None = None
        self._told = ""  # the trouble that stands in the log

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    await self._once()
                except Exception as group:
                    error = alone(group)
                    if not isinstance(error, SchedulerError) or self._ends_with(error):
                        self._door.failure = error
                        raise error from error.__cause__
                    await self._bear(error)
        finally:
            self._door.close()

    def _ends_with(self, error: SchedulerError) -> bool:
        return self.leaving or (self._strict and not self.found.is_set())

    async def _bear(self, error: SchedulerError) -> None:
        """Trouble that may pass: try again, at a take-over for a while before anybody hears."""
        if error.message != self._told and (self.found.is_set() or self._door.waits):
            self._told = error.message
            log.warning("the database cannot be used: %s", error.message)
        passing = self.found.is_set() and isinstance(error, StoreUnavailable)
        if passing and trio.current_time() - self._lost_at < PATIENCE:
            await trio.sleep(AFTER_TROUBLE / 10)
            return
        self._door.refuse(error)
        await trio.sleep(AFTER_TROUBLE)

    async def _once(self) -> None:
        try:
            store = open_sqlite(
                self._path,
                durability=self._durability,
                address=addresses.address_for(self._path),
            )
        except StoreLocked as locked:
            await self._follow(locked)
        else:
            with closing(store):
                await self._own(store)

    # ------------------------------------------------------------- as the owner

    async def _own(self, store: SQLiteStore) -> None:
        """Run the actors and serve other processes, until cancelled."""
        async with open_scheduler(
            store=store, durability=self._durability, **self._options
        ) as scheduler:
            system = scheduler._door
            assert isinstance(system, System)
            async with trio.open_nursery() as nursery:
                await nursery.start(serve, scheduler)
                self._lead_to(OwnWay(system), scheduler._sources, system)
                try:
                    await trio.sleep_forever()
                finally:
                    self._lead_nowhere()

    # ------------------------------------------------------------- as one of the others

    async def _follow(self, locked: StoreLocked) -> None:
        """Reach the owner and stay with it while it is there; or wait a moment."""
        owner = last_owner(self._path)
        address = None if owner is None else owner.address
        link = None if address is None else await self._reach(address, locked)
        if link is not None:
            try:
                await link.run()
            finally:
                self._lead_nowhere()
            return
        now = trio.current_time()
        if address is not None:
            self._unserved_since = None
            if now - self._lost_at >= RECOVERY:
                raise _silent(locked, RECOVERY)
        elif self._unserved_since is None:
            self._unserved_since = now  # it may be about to write its address down, or to leave
        elif now - self._unserved_since >= UNSERVED:
            raise _unserved(locked)
        await trio.sleep(TRY_EVERY)

    async def _reach(self, address: str, locked: StoreLocked) -> Link | None:
        """The way to the owner that listens there; None if it has gone or does not listen yet."""
        try:
            stream = await trio.open_unix_socket(address)
        except OSError:
            return None
        link = Link(stream, self._is_owner, self._door.give_up)
        welcome = None
        try:
            if addresses.is_ours(stream):
                with trio.fail_after(PATIENCE):
                    welcome = await link.greet()
        except trio.TooSlowError:
            raise _silent(locked, PATIENCE) from None
        finally:
            if welcome is None:
                await trio.aclose_forcefully(stream)
        if welcome is None:
            return None
        self._lead_to(link, welcome.sources)
        return link

    def _is_owner(self, pid: int) -> bool:
        return owner_of(self._path) == pid

    # ------------------------------------------------------------- the way

    def _lead_to(
        self, way: Way, sources: Mapping[str, float], system: System | None = None
    ) -> None:
        self._told = ""
        self._unserved_since = None
        self._door.lead_to(way, dict(sources), system)
        self.found.set()

    def _lead_nowhere(self) -> None:
        self._door.lead_nowhere()
        self._lost_at = trio.current_time()


def _unserved(locked: StoreLocked) -> StoreLocked:
    return _unreachable(
        locked,
        "and does not share it",
        "Let that program share it: `await nursery.start(serve, scheduler)`; or stop it.",
    )


def _silent(locked: StoreLocked, seconds: float) -> StoreLocked:
    return _unreachable(
        locked,
        f"and has not answered for {seconds:g} s",
        "See what that process does; continue or stop it, then try again.",
    )


def _unreachable(locked: StoreLocked, why: str, hint: str) -> StoreLocked:
    who = "another process" if locked.pid is None else f"process {locked.pid}"
    return StoreLocked(
        f"{who} has the database open {why}",
        pid=locked.pid,
        field=locked.field,
        received=locked.received,
        hint=hint,
    )
