"""The checker's book of leases: whose turn it is, and who must be refused.

The scheduler's time is never behind virtual time, and ahead of it by no more than the clock was
set forward. So a lease of L seconds lasts for L - forward at least, and for L at the most, unless
there was an occasion to give everybody a full one: a restart, a failing store, a jump.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduler.domain.views import Claim
from torture.simulation.broken import Broken
from torture.simulation.facts import Hold, Known, Op

if TYPE_CHECKING:
    from torture.simulation.ledger import Ledger

SWEEP = 1.0  # seconds that the end of a lease may be late
EARLY = 0.001  # seconds that rounding may take off a lease


class Holds:
    """See the module."""

    def __init__(self, ledger: Ledger) -> None:
        self.by_token: dict[str, Hold] = {}
        self.forward = 0.0  # seconds by which the clock was set forward, all in all
        self._steps: list[tuple[float, float]] = []  # (when, forward until then and with it)
        self._renewed_for_all = 0.0  # when everybody may have been given a full lease
        self._sweeping: dict[str, int] = {}
        self._swept: dict[str, int] = {}
        self._ledger = ledger

    # ------------------------------------------------------------- the world

    def set_forward(self, seconds: float) -> None:
        """The clock was set forward."""
        self.forward += seconds
        self._steps.append((self._ledger.now(), self.forward))

    def renew_all(self, until: float | None = None) -> None:
        """There is, or may be until then, an occasion to give everybody a full lease."""
        moment = self._ledger.now() if until is None else until
        self._renewed_for_all = max(self._renewed_for_all, moment)

    @property
    def troubled(self) -> bool:
        """Whether the store may be failing now."""
        return self._renewed_for_all >= self._ledger.now()

    def void_all(self) -> None:
        """The file went back: nobody knows what his claim is worth."""
        for hold in self.by_token.values():
            hold.void = True

    # ------------------------------------------------------------- calls

    def sweep(self, op: Op, prefix: str) -> None:
        """Claims of holders whose names begin so are about to be given back."""
        op.sweeping = prefix
        self._sweeping[prefix] = self._sweeping.get(prefix, 0) + 1

    def swept(self, prefix: str, tick: int) -> None:
        """That call was answered."""
        self._sweeping[prefix] -= 1
        self._swept[prefix] = tick

    def meddle(self, op: Op, known: Known) -> None:
        """The call may end the lease of a task, whoever has it."""
        known.meddling += 1
        op.meddling.append(known)

    def use(self, op: Op, token: str) -> None:
        """The call may end the claim with this token."""
        hold = self.by_token[token]
        hold.doubts += 1
        op.holds.append(hold)

    def granted(self, claim: Claim, op: Op) -> None:
        """A claim was heard of: the one before it must be over, and what it waits for done."""
        known = self._ledger.saw(claim.task, op)
        if claim.token in self.by_token:  # told again
            if self.by_token[claim.token].number != claim.task.number:
                raise Broken("P3", f"one token for two tasks: {claim}")
            return
        hold = self._entered(claim, op)
        hold.void = self._ledger.outdated(op)
        if hold.void:
            return
        before = known.hold
        if before is not None and before.revision > hold.revision:
            hold.over = True  # the later claim was heard of first
            hold.superseded = self._ledger.heard()
            return
        self._must_have_met(known)
        if before is not None:
            if not before.over and self._certain(before, known) and self._still_lasts(before):
                raise Broken("P3", f"two leases on {claim.task.number}: {before} and {hold}")
            before.superseded = self._ledger.heard()
        known.hold = hold

    def _entered(self, claim: Claim, op: Op) -> Hold:
        task = claim.task
        assert task.holder is not None and task.lease_s is not None
        now = self._ledger.now()
        hold = Hold(
            claim.token,
            task.number,
            task.holder,
            task.lease_s,
            task.revision,
            op.tick,
            op.at,
            now,
        )
        self.by_token[claim.token] = hold
        return hold

    def _must_have_met(self, known: Known) -> None:
        for number in sorted(known.requires):
            other = self._ledger.known.get(number)
            if other is None or other.completed or other.completing:
                continue
            if not self._ledger.prunable(other):  # one that is forgotten counts as met
                raise Broken("P5", f"{known.number} was claimed before {number} completed")

    # ------------------------------------------------------------- answers

    def renewed(self, token: str, op: Op, length: float | None) -> None:
        """A heartbeat was answered."""
        hold = self.by_token[token]
        self._must_not_be_stale(hold, op, "a heartbeat")
        if hold in op.holds:
            op.holds.remove(hold)
            hold.doubts -= 1
        hold.sent, hold.heard = op.at, self._ledger.now()
        hold.length = hold.length if length is None else length

    def ended(self, token: str, op: Op, verb: str) -> None:
        """The holder ended the claim himself, and was believed."""
        hold = self.by_token[token]
        self._must_not_be_stale(hold, op, verb)
        hold.over = True

    def _must_not_be_stale(self, hold: Hold, op: Op, verb: str) -> None:
        if hold.void:
            return
        if hold.superseded < op.tick:
            raise Broken("P3", f"{verb} with a stale token was accepted: {hold}")
        first = hold.doubts <= (hold in op.holds)  # else it may repeat what was done in time
        latest = max(hold.heard, self._renewed_for_all) + hold.length + SWEEP
        if first and not hold.over and op.at > latest:
            raise Broken("P10", f"{verb} after the end of the lease was accepted: {hold}")

    def refused(self, token: str, op: Op, why: str) -> None:
        """The holder was told that the claim is not his: so it must not be."""
        hold = self.by_token[token]
        known = self._ledger.known.get(hold.number)
        mine = hold in op.holds
        hold.doubts -= mine
        if mine:
            op.holds.remove(hold)
        if known is None or known.hold is not hold or hold.over or hold.void:
            return
        if self._certain(hold, known) and self._still_lasts(hold):
            raise Broken("P3", f"a valid lease was refused: {hold} ({why})")
        hold.over = True

    # ------------------------------------------------------------- what is certain

    def _certain(self, hold: Hold, known: Known) -> bool:
        """Whether nothing but time can have ended it."""
        if hold.doubts or known.meddling or known.meddled > hold.sent_tick:
            return False
        prefix = hold.holder.partition(".")[0]
        return not self._sweeping.get(prefix) and self._swept.get(prefix, 0) < hold.sent_tick

    def _still_lasts(self, hold: Hold) -> bool:
        before = 0.0
        for when, forward in reversed(self._steps):
            if when < hold.sent:
                before = forward
                break
        latest = self._ledger.now() + self.forward - before
        return latest < hold.sent + hold.length - EARLY
