"""Doing tasks: from the claim to its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from actors import commands as ask
from actors.reply import Reply
from scheduler import arguments as check
from scheduler.domain import ids
from scheduler.domain.request import TEN_YEARS
from scheduler.domain.task import Task, moment
from scheduler.domain.views import (
    Claim,
    Ended,
)
from scheduler.handle.door import Asks

ClaimOrToken = Claim | tuple[str, str]


class Working(Asks):
    """Claims tasks, keeps the leases, and tells how the work ended."""

    async def claim(
        self,
        holder: str,
        agent_types: Sequence[str] | None = None,
        *,
        limit: int = 1,
        lease: float = 300.0,
        wait: float = 0.0,
    ) -> list[Claim]:
        """Lease the best ready tasks to `holder`, of these agent types (None: of any).

            for claim in await scheduler.claim("worker-1", ["builder"], limit=8, wait=30):
                await scheduler.complete(claim, result={"ok": True})

        Up to `limit` (1..1,000) tasks, at once if one is ready, else as soon as one becomes
        ready within `wait` seconds; an empty list after that. `lease` is 1..86,400 seconds.
        A claim whose caller is cancelled goes back to the queue at once.
        """
        check.name("holder", holder)
        lanes = None if agent_types is None else check.names("agent_types", agent_types)
        check.whole("limit", limit, 1, 1_000)
        check.number("lease", lease, 1, 86_400)
        check.number("wait", wait, 0, 86_400)
        return await self._door.ask(ask.ClaimReady(holder, lanes, limit, lease, wait, Reply()))

    async def heartbeat(
        self,
        claim: ClaimOrToken,
        *,
        progress: float | None = None,
        note: str | None = None,
        lease: float | None = None,
    ) -> datetime:
        """Say that the work goes on: the lease starts anew. Returns its new end.

        `progress` is 0..1, `note` up to 2,000 bytes, `lease` (1..86,400 s) changes its length.
        Raises LeaseLost when the task is no longer yours, AlreadyFinished when it has been
        completed or has failed: stop working on it.
        """
        number, token = check.claim(claim)
        if progress is not None:
            check.number("progress", progress, 0, 1)
        if note is not None:
            check.text("note", note, 2_000)
        if lease is not None:
            check.number("lease", lease, 1, 86_400)
        return moment(
            await self._door.ask(ask.Heartbeat(number, token, lease, progress, note, Reply()))
        )

    async def complete(self, claim: ClaimOrToken, result: Any = None) -> Ended:
        """The work is done. `result` is JSON up to 256 KiB, handed to the dependents' claims.

        When this returns, the tasks that only waited for this one can be claimed. Repeated
        with the same token, it answers again, with the task alone. Raises LeaseLost,
        AlreadyFinished.
        """
        return check.sole(await self._complete(((claim, result),)))

    async def complete_many(self, completions: Iterable[tuple[ClaimOrToken, Any]]) -> ask.Outcomes:
        """Complete many claims in one commit: pairs of claim and result.

        Returns one outcome each, in order: an Ended, or the error (not raised) that `complete`
        would have raised.
        """
        return await self._complete(check.pairs("completions", completions))

    async def _complete(self, completions: tuple[tuple[ClaimOrToken, Any], ...]) -> ask.Outcomes:
        finishes = tuple(check.completion(claim, result) for claim, result in completions)
        return await self._door.ask(ask.Complete(finishes, Reply()))

    async def fail(
        self,
        claim: ClaimOrToken,
        error: str,
        *,
        retryable: bool = True,
        retry_after: float | None = None,
    ) -> Ended:
        """The attempt has failed; `error` (up to 64 KiB) tells the story.

        If it is retryable and attempts are left, the task is SCHEDULED for another after
        `retry_after` seconds (None: an exponential back-off); otherwise it is FAILED and its
        dependents fall with it (`fallen`).
        """
        check.text("error", error, 64 * 1024)
        if retry_after is not None:
            check.number("retry_after", retry_after, 0, TEN_YEARS)
        number, token = check.claim(claim)
        finish = ask.Finish("fail", number, token, error=error)
        command = ask.Fail(finish, bool(retryable), retry_after, Reply())
        return check.sole(await self._door.ask(command))

    async def release(self, claim: ClaimOrToken) -> Ended:
        """Give the task back undone: it keeps its place in the queue and loses no attempt."""
        number, token = check.claim(claim)
        finish = ask.Finish("release", number, token)
        return check.sole(await self._door.ask(ask.Release(finish, Reply())))

    async def release_holders(self, prefix: str) -> list[Task]:
        """Give back every claim of a holder whose name begins with `prefix`.

        For a supervisor that knows these workers to be dead and will not wait for their leases
        to expire. Like a release it costs no attempt. Returns the tasks that were given back.
        """
        check.name("prefix", prefix)
        return await self._door.ask(ask.ReleaseHolders(prefix, Reply()))

    async def revoked(self, holder: str, *, wait: float = 0.0) -> list[tuple[str, str]]:
        """The claims that were taken from `holder` since it asked last: (task id, token) each.

        A claim is taken by a `cancel`, the end of its lease, or `release_holders`. Answers at
        once if there is one, else as soon as there is within `wait` seconds. They are kept
        from a holder's first question on, until it has not asked for a minute; what is missed
        is heard at the next heartbeat.
        """
        check.name("holder", holder)
        check.number("wait", wait, 0, 86_400)
        pairs = await self._door.ask(ask.AwaitRevoked(holder, wait, Reply()))
        return [(ids.encode(number), token) for number, token in pairs]
