"""Steering the queue as a whole: lanes, limits, shares."""

from __future__ import annotations

from actors import commands as ask
from actors.reply import Reply
from scheduler import arguments as check
from scheduler.domain.limits import Limit
from scheduler.domain.views import LimitStatus
from scheduler.handle.door import Asks


class Steering(Asks):
    """Stops and limits lanes, and shares between groups."""

    async def pause(self, agent_type: str) -> None:
        """Hand out no more tasks of this type; running ones go on. Survives a restart."""
        check.name("agent_type", agent_type)
        await self._door.ask(ask.SetPaused(agent_type, True, Reply()))

    async def resume(self, agent_type: str) -> None:
        """Hand out tasks of this type again."""
        check.name("agent_type", agent_type)
        await self._door.ask(ask.SetPaused(agent_type, False, Reply()))

    async def drain(self, agent_type: str) -> None:
        """Hand out no more tasks of one agent_type, and wait until none of it runs any more.

        It stays paused, over restarts too, until `resume`; raises InvalidRequest if that comes
        first.
        """
        check.name("agent_type", agent_type)
        await self._door.ask(ask.Drain(agent_type, Reply()))

    async def set_limit(
        self,
        *,
        agent_type: str | None = None,
        limit_key: str | None = None,
        concurrency: int | None = None,
        starts: int | None = None,
        per: float | None = None,
        burst: int | None = None,
    ) -> None:
        """Limit the tasks of one agent_type, or those with one limit_key; kept in the file.

            await scheduler.set_limit(agent_type="builder", concurrency=4)
            await scheduler.set_limit(limit_key="some-api", starts=60, per=60.0, burst=5)

        `concurrency`: attempts that may run at once. `starts` in `per` seconds: a token bucket
        that holds `burst` (default: `starts`). It holds for every claim from now on, whoever
        makes it; what runs goes on. A new limit takes the place of the old one, and one without
        any number lifts it.
        """
        await self._door.ask(
            ask.SetLimit(
                check.limit(agent_type, limit_key, concurrency, starts, per, burst), Reply()
            )
        )

    async def set_share(self, group: str, weight: float | None) -> None:
        """How large a share of the starts a group gets while others have tasks ready, too.

        `weight` is 0.001..1,000; None is as good as 1, which all groups have by themselves.
        """
        check.name("group", group)
        if weight is not None:
            check.number("weight", weight, 0.001, 1_000)
        await self._door.ask(ask.SetLimit(Limit("group", group, weight=weight), Reply()))

    async def limits(self) -> list[LimitStatus]:
        """Every limit and share that is set, and how it stands."""
        return await self._door.ask(ask.GetLimits(Reply()))

    async def flush(self) -> None:
        """Return when everything before this call is saved."""
        await self._door.ask(ask.Flush(Reply()))
