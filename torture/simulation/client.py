"""A client: does one thing after the other, tells the ledger what it hears, and may die."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import accumulate
from random import Random

import trio

from scheduler.domain.errors import (
    AlreadyFinished,
    DependencyCycle,
    IllegalTransition,
    KeyConflict,
    LeaseLost,
    Overloaded,
    PrerequisiteFailed,
    SchedulerClosed,
    SchedulerError,
    SequenceTooOld,
    StoreUnavailable,
    UnknownPrerequisite,
    UnknownTask,
)
from scheduler.handle import Handle
from torture.simulation.broken import Broken
from torture.simulation.changing import Changing
from torture.simulation.facts import Op
from torture.simulation.looking import Looking
from torture.simulation.making import Making
from torture.simulation.working import Working
from torture.simulation.world import World

Action = Callable[["Client", Op], Awaitable[str]]
EXPECTED = (  # refusals that can be right; any other is a mistake of somebody
    AlreadyFinished,
    DependencyCycle,
    IllegalTransition,
    KeyConflict,
    LeaseLost,
    Overloaded,
    PrerequisiteFailed,
    SequenceTooOld,
    UnknownPrerequisite,
    UnknownTask,
)


class Client(Making, Working, Changing, Looking):
    """See the module. `remote`: its calls survive the scheduler's death and are sent again."""

    def __init__(self, world: World, number: int, handle: Handle | None) -> None:
        super().__init__()
        self.world = world
        self.ledger = world.ledger
        self.rng = Random(f"client {world.plan.seed} {number}")
        self.number = number
        self.life = 0
        self._handle = handle

    async def run(self) -> None:
        """Step after step, until cancelled."""
        actions, weights = zip(*ACTIONS, strict=True)
        sums = list(accumulate(weights))
        while True:
            await trio.sleep(self._thinking_time())
            await self.reach()
            (action,) = self.rng.choices(actions, cum_weights=sums)
            await self.step(action)

    def _thinking_time(self) -> float:
        """Seconds until the next step; on a grid, several clients act at the same moment."""
        if self.rng.random() < 0.5:
            return 0.0
        seconds = self.rng.expovariate(2.0)
        grid = self.world.plan.grid
        if grid:
            now = trio.current_time()
            seconds = (now + seconds) // grid * grid + grid - now
        return seconds

    async def reach(self) -> None:
        """Return when there is somebody to ask; `handle` is the way."""
        if self._handle is not None:
            self.handle: Handle = self._handle
            await self.world.lives.up.wait()
            return
        while self.world.lives.handle is None:
            await self.world.lives.up.wait()
        self.handle = self.world.lives.handle

    async def step(self, action: Action) -> None:
        """One call, and what came of it."""
        op = self.ledger.begin()
        impatient = self.rng.random() < 0.02
        with trio.CancelScope(deadline=trio.current_time() + 0.05 if impatient else float("inf")):
            said = ""
            try:
                said = await action(self, op)
            except (SchedulerClosed, StoreUnavailable) as error:
                said = self._in_doubt(error, op)
            except EXPECTED as error:
                self.ledger.refused(op, error)
                said = error.code
            except SchedulerError as error:
                raise Broken("P6", f"{action.__name__} was refused: {error!r}") from error
            else:
                self.ledger.done(op)
            finally:
                if not said:
                    self.ledger.unknown(op)
        self.world.stepped(self.name, action.__name__, said or "left")

    def _in_doubt(self, error: SchedulerError, op: Op) -> str:
        if isinstance(error, StoreUnavailable) and error.outcome == "refused":
            self.ledger.refused(op, error)
            return "refused"
        self.ledger.unknown(op)
        return "unknown"


ACTIONS: tuple[tuple[Action, int], ...] = (
    (Client.enqueue, 14),
    (Client.enqueue_many, 4),
    (Client.repeat, 4),
    (Client.claim, 22),
    (Client.finish, 24),
    (Client.finish_many, 4),
    (Client.heartbeat, 6),
    (Client.use_stale, 4),
    (Client.die, 1),
    (Client.cancel, 3),
    (Client.retry, 3),
    (Client.update, 4),
    (Client.add_prerequisites, 3),
    (Client.pause_or_resume, 2),
    (Client.limit, 1),
    (Client.release_holders, 1),
    (Client.get, 4),
    (Client.list, 2),
    (Client.follow, 6),
    (Client.look_around, 3),
    (Client.flush, 1),
)
