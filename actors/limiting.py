"""What the prioritizer does about limits, apart from keeping to them."""

from __future__ import annotations

from math import inf

from actors import commands as c
from actors import messages as m
from actors.holdings import Holdings
from actors.messages import Post, To
from scheduler.domain.limits import Limit, Limits
from scheduler.domain.task import moment
from scheduler.domain.turns import IsOpen
from scheduler.domain.views import LimitStatus


def set_limit(command: c.SetLimit, holdings: Holdings, now: float) -> list[Post]:
    """Let it hold from now on; what it held back and does not any more may start."""
    limit = holdings.limits.put(command.limit, now)
    holdings.reopen(limit.scope)
    answer = m.Value(command.reply, None)
    return [(To.PERSISTER, m.Changed(limits=[limit], answers=[answer]))]


def get_limits(command: c.GetLimits, limits: Limits, now: float) -> list[Post]:
    """All limits as they stand, told when what came before is saved."""
    statuses = [_status(limit, running, now) for limit, running in limits.all()]
    return [(To.PERSISTER, m.Changed(answers=[m.Value(command.reply, statuses)]))]


def _status(limit: Limit, running: int, now: float) -> LimitStatus:
    return LimitStatus(
        limit.kind,
        limit.name,
        limit.concurrency,
        limit.starts,
        limit.per,
        limit.burst,
        limit.weight,
        running,
        moment(limit.opens_s) if limit.opens_s > now else None,
    )


def explain_idle(
    question: c.WhyIdle, holdings: Holdings, is_open: IsOpen | None, now: float
) -> list[Post]:
    """Say whether limits hold back what is ready; the persister says the rest."""
    limits, lanes = holdings.limits, question.agent_types
    limited = bool(limits) and not holdings.queue.has_turn(lanes, is_open)
    opens_s = limits.next_opening(now) if limited else inf
    return [(To.PERSISTER, m.ExplainIdle(lanes, question.reply, limited, opens_s))]
