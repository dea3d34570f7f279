"""What clients do with claims: work, report, keep on, give up, die; and claims that are stale."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from scheduler.domain.errors import AlreadyFinished, LeaseLost, SchedulerError
from scheduler.domain.views import Claim, Ended
from torture.simulation.facts import Op
from torture.simulation.making import LANES, Client

STALE = 30  # claims of the past that a client remembers


class Working(Client):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Claim] = []
        self.stale: list[Claim] = []

    async def claim(self, op: Op) -> str:
        """Some work, of some lanes."""
        rng = self.rng
        lanes = None if rng.random() < 0.4 else rng.sample(LANES, rng.randrange(1, 3))
        claims = await self.handle.claim(
            self.name,
            lanes,
            limit=rng.randrange(1, 5),
            lease=rng.choice((2.0, 10.0, 40.0)),
            wait=0.0 if rng.random() < 0.7 else rng.uniform(0.0, 5.0),
        )
        for claim in claims:
            self.ledger.holds.granted(claim, op)
            self.world.heard_of(claim.task.number)
        self.held += claims
        return " ".join(claim.task.id for claim in claims) or "nothing"

    def _take(self, how_many: int = 1) -> list[Claim]:
        """Claims in hand, which are put down with what comes next."""
        taken = []
        for _ in range(min(how_many, len(self.held))):
            claim = self.held.pop(self.rng.randrange(len(self.held)))
            taken.append(claim)
            self.stale = [*self.stale, claim][-STALE:]
        return taken

    async def finish(self, op: Op) -> str:
        """End one claim, well or badly, or give it back."""
        if not self.held:
            return await self.claim(op)
        (claim,) = self._take()
        return await self._end(claim, op, self.rng.choice(ENDS))

    async def _end(self, claim: Claim, op: Op, verb: str) -> str:
        ledger, handle, rng = self.ledger, self.handle, self.rng
        number = claim.task.number
        op.targets = (number,)
        ledger.holds.use(op, claim.token)
        if verb == "complete":
            ledger.complete(op, number)
            call: Awaitable[Ended] = handle.complete(claim, {"by": self.name})
        elif verb == "fail":
            retry_after = rng.choice((None, 0.0, 3.0))
            again = rng.random() < 0.7
            call = handle.fail(claim, "it broke", retryable=again, retry_after=retry_after)
        else:
            call = handle.release(claim)
        try:
            ended = await call
        except (LeaseLost, AlreadyFinished) as error:
            ledger.holds.refused(claim.token, op, error.code)
            raise
        self._ended(claim, ended, op, verb)
        return f"{verb} {claim.task.id} {ended.task.status}"

    def _ended(self, claim: Claim, ended: Ended, op: Op, verb: str) -> None:
        ledger = self.ledger
        ledger.holds.ended(claim.token, op, verb)
        ledger.saw(ended.task, op)
        numbers = self.world.numbers_of((*ended.released, *ended.fallen))
        ledger.moved(numbers, op)

    async def finish_many(self, op: Op) -> str:
        """Complete several claims at once; each has an outcome of its own."""
        claims = self._take(self.rng.randrange(1, 5))
        if not claims:
            return "nothing"
        return await self.complete_all(claims, op)

    async def complete_all(self, claims: list[Claim], op: Op) -> str:
        """Complete these, and tell the ledger of each."""
        ledger = self.ledger
        op.targets = tuple(claim.task.number for claim in claims)
        for claim in claims:
            ledger.holds.use(op, claim.token)
            ledger.complete(op, claim.task.number)
        pairs: list[tuple[Claim, Any]] = [(claim, None) for claim in claims]
        outcomes = await self.handle.complete_many(pairs)
        said = []
        for claim, outcome in zip(claims, outcomes, strict=True):
            if isinstance(outcome, SchedulerError):
                ledger.settle(op, claim.task.number, changed=False)
                ledger.holds.refused(claim.token, op, outcome.code)
                said.append(outcome.code)
            else:
                ledger.settle(op, claim.task.number, changed=True)
                self._ended(claim, outcome, op, "complete")
                said.append(str(outcome.task.status))
        return " ".join(said)

    async def heartbeat(self, op: Op) -> str:
        """Keep one claim."""
        if not self.held:
            return "nothing"
        claim = self.rng.choice(self.held)
        op.targets = (claim.task.number,)
        lease = self.rng.choice((None, None, 5.0, 30.0))
        if lease is not None:
            self.ledger.holds.use(op, claim.token)  # it may become shorter, and nobody hear so
        try:
            await self.handle.heartbeat(claim, lease=lease, progress=self.rng.random())
        except (LeaseLost, AlreadyFinished) as error:
            self.held.remove(claim)
            self.ledger.holds.refused(claim.token, op, error.code)
            raise
        self.ledger.holds.renewed(claim.token, op, lease)
        return claim.task.id

    async def use_stale(self, op: Op) -> str:
        """Use a claim that was ended before: repeated in good faith, or not at all in time."""
        if not self.stale:
            return "nothing"
        return await self._end(self.rng.choice(self.stale), op, self.rng.choice(ENDS))

    async def die(self, _op: Op) -> str:
        """Forget everything in hand; somebody else comes, who may find old claims lying about."""
        lost = len(self.held)
        self.stale = [*self.stale, *self.held][-STALE:]
        self.held.clear()
        self.life += 1
        return f"with {lost}"


ENDS = ("complete",) * 5 + ("fail",) * 2 + ("release",)
